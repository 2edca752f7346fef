// A client in Node against `kaspi sandbox run`, with nothing but Node's own library.
//
//     node examples/sandbox_client.mjs PATH_OF_KASPI
//
// Copy `startSandbox` into the fixture of your own tests and point your own client at `sandbox.base`.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as http } from 'node:http';
import { request as https } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const BIN = '891027350515';

async function startSandbox(kaspi) {
  const parent = mkdtempSync(join(tmpdir(), 'kaspi-'));
  const folder = join(parent, 'shop');
  execFileSync(kaspi, ['sandbox', 'init', folder], { stdio: 'ignore' });
  const process = spawn(kaspi, ['sandbox', 'run', '--dir', folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  // one line of JSON when both ports answer
  for await (const line of createInterface({ input: process.stdout })) {
    const { listen, control } = JSON.parse(line);
    const stop = () => (process.kill(), rmSync(parent, { recursive: true }));
    return { folder, base: `https://${listen}/r3`, control: `http://${control}`, stop };
  }
  throw new Error('the sandbox did not start');
}

function send(request, url, method, options, body) {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json' };
    const sent = request(url, { ...options, method, headers, timeout: 20_000 }, (answer) => {
      let text = '';
      answer.on('data', (part) => (text += part));
      answer.on('end', () => resolve(JSON.parse(text)));
    });
    sent.on('error', reject);
    sent.end(body && JSON.stringify(body));
  });
}

/** The calls of scheme r3 for one organisation, over its own certificate. */
function merchant(sandbox, bin) {
  const file = (name) => readFileSync(join(sandbox.folder, 'certs', bin, name), 'utf8');
  const tls = {
    ca: readFileSync(join(sandbox.folder, 'kbs_chain.pem')),
    cert: file('certificate.cer'),
    key: file('private.key'),
    passphrase: file('password').trim(),
  };
  const own = { OrganizationBin: bin, DeviceToken: /^device_token = "(.*)"/m.exec(file('merchant.toml'))[1] };
  return async (method, path, body) => {
    const answer = await send(https, `${sandbox.base}/${path}`, method, tls, body && { ...own, ...body });
    assert.equal(answer.StatusCode, 0, `${path}: StatusCode ${answer.StatusCode}`);
    return answer.Data;
  };
}

const sandbox = await startSandbox(process.argv[2]);
try {
  const call = merchant(sandbox, BIN);
  const order = { Amount: 100.5, PhoneNumber: '77000000000', Comment: 'Order 17' };
  const payment = (await call('POST', 'v01/remote/create', order)).QrPaymentId;
  const status = async () => (await call('GET', `v02/payment/status/${payment}`)).Status;
  assert.equal(await status(), 'RemotePaymentCreated');
  await send(http, `${sandbox.control}/payments/${payment}/pay`, 'POST', {});
  assert.equal(await status(), 'Processed');
  await call('POST', 'v01/payment/return', { QrPaymentId: payment, Amount: 50 });
  await assert.rejects(call('POST', 'v01/payment/return', { QrPaymentId: payment, Amount: 60 }), /-99000005/);
  const seen = await send(http, `${sandbox.control}/requests`, 'GET', {});
  assert.equal(new Set(seen.filter((row) => row.bin).map((row) => row.client_cert_sha256)).size, 1);
  console.log(`ok  payment ${payment}: made, paid, half of it paid back, no more than the rest`);
} finally {
  sandbox.stop();
}
