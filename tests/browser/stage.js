// A shop to look at: a simulated Kaspi, a gateway before it, and some weeks of payments.
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const FLOWERS = '891027350515';
export const GIFTS = '210440028324';
/** The shop's name, which stands in the accountant's files, and would be a formula there. */
export const SHOP = '=1+1';
/** Stands wherever others may write: a page that runs it sets `owned`. */
export const MARKUP = '<img/src=x/onerror=owned=1><script>owned=1</script>';
const DAYS = 21;

/** Everything that runs, with what it takes to end it. */
export class Stage {
  static async set(kaspi) {
    const stage = new Stage();
    stage.kaspi = kaspi;
    stage.folder = mkdtempSync(join(tmpdir(), 'kaspi-browser-'));
    stage.config = join(stage.folder, 'kaspi.toml');
    execFileSync(kaspi, ['sandbox', 'init', stage.folder], { stdio: 'pipe' });
    stage.admin = token();
    stage.narrow = token();
    stage.shop = token();
    appendFileSync(stage.config, [
      line('Aigul', stage.admin, [FLOWERS, GIFTS], ['admin', 'create', 'refund', 'read']),
      line('Passing', stage.passing = token(), [FLOWERS], ['admin', 'read']),
      line('Flowers only', stage.narrow, [FLOWERS], ['admin', 'create', 'refund', 'read']),
      line(SHOP, stage.shop, [FLOWERS, GIFTS], ['create', 'refund', 'read']),
    ].join(''));
    stage.rename(`Gifts ${MARKUP}`);
    await stage.receiveWebhooks();
    stage.bank = await started(kaspi, ['sandbox', 'run', '--dir', stage.folder]);
    stage.control = `http://${stage.bank.ready.control}`;
    await stage.serve();
    return stage;
  }

  /** A receiver that gives everything up until it is told otherwise. */
  async receiveWebhooks() {
    this.heard = [];
    this.answer = 410;
    this.receiver = createServer((request, answer) => {
      request.resume().on('end', () => {
        this.heard.push(request.headers['webhook-id']);
        answer.writeHead(this.answer).end();
      });
    });
    await new Promise((resolve) => this.receiver.listen(0, '127.0.0.1', resolve));
    const folder = join(this.folder, 'certs', FLOWERS);
    writeFileSync(join(folder, 'webhook.secret'), execFileSync(this.kaspi, ['webhook', 'secret', 'new']), { mode: 0o600 });
    appendFileSync(join(folder, 'merchant.toml'), `\n[[webhook]]\nname = "backend"\n`
      + `url = "http://127.0.0.1:${this.receiver.address().port}/events"\nsecret_file = "webhook.secret"\n`);
    appendFileSync(this.config, '\n[webhooks]\nallow_private = ["127.0.0.1"]\n');
  }

  async serve() {
    this.gateway = await started(this.kaspi,
      ['--config', this.config, 'serve', '--listen', '127.0.0.1:0', '-o', 'json']);
    this.url = `http://${this.gateway.ready.listen}`;
  }

  /** Some weeks of payments: made now, then moved into the past behind the journal's back. */
  async seed() {
    const made = [];
    for (let index = 0; index < 84; index += 1) {
      const bin = index % 3 === 2 ? GIFTS : FLOWERS;
      const id = await this.invoice({ amount: 500 + (index * 7919) % 9000, organization_bin: bin });
      made.push(id);
      if (index % 6 !== 5) {
        await this.pay(id);
        await this.call('GET', `/api/v1/kaspi/status/${id}`);
      }
      if (index % 12 === 4) {
        await this.call('POST', '/api/v1/kaspi/refund', { external_id: id, amount: 250, organization_bin: bin });
      }
    }
    await this.fault('/r3/v01/remote/create', 'unavailable_before_commit', 3);
    for (let index = 0; index < 3; index += 1) {
      await this.call('POST', '/api/v1/kaspi/create', order({ amount: 700 + index }), { allow: true });
    }
    await this.gateway.end();
    execFileSync('python3', ['-c', SHIFT, join(this.folder, 'kaspi.db'), String(DAYS)]);
    await this.serve();
    return made;
  }

  /** A payment that the shop has made and the customer paid. */
  async paid(amount, bin = FLOWERS) {
    const id = await this.invoice({ amount, organization_bin: bin });
    await this.pay(id);
    await this.call('GET', `/api/v1/kaspi/status/${id}`);
    return id;
  }

  async invoice(fields) {
    const answer = await this.call('POST', '/api/v1/kaspi/create', order(fields));
    return answer.external_id;
  }

  /** Calls the shop of gifts something else; the gateway notices by itself. */
  rename(name) {
    const merchant = join(this.folder, 'certs', GIFTS, 'merchant.toml');
    writeFileSync(merchant, readFileSync(merchant, 'utf8').replace(/^name = .*$/m, `name = "${name}"`));
  }

  async pay(id) {
    await asked(`${this.control}/payments/${id}/pay`, { method: 'POST' });
  }

  /** What the simulated bank was asked: requests whose path ends so. */
  async asked(path) {
    const rows = await (await asked(`${this.control}/requests`)).json();
    return rows.filter((row) => row.path.endsWith(path)).length;
  }

  /** Takes the token of somebody away; the gateway notices by itself. */
  revoke(name) {
    const text = readFileSync(this.config, 'utf8');
    const parts = text.split('\n[[gateway.token]]\n');
    writeFileSync(this.config, parts.filter((part) => !part.startsWith(`name = "${name}"`)).join('\n[[gateway.token]]\n'));
  }

  async fault(path, fault, times = 1, delay = undefined) {
    await asked(`${this.control}/faults`, json('POST', { path, fault, times, delay_ms: delay }));
  }

  /** What the bank has paid back of a payment, in tenge. */
  async refunded(id) {
    const payments = await (await asked(`${this.control}/payments`)).json();
    return Number(payments.find((payment) => String(payment.payment_id) === id).refunded);
  }

  /** A cashier pays back, past the gateway. */
  async refundAtTheTill(id, amount) {
    await asked(`${this.control}/payments/${id}/refund`, json('POST', { amount }));
  }

  async call(method, path, body, { allow = false } = {}) {
    const options = json(method, body);
    options.headers.Authorization = `Bearer ${this.shop}`;
    const answer = await fetch(this.url + path, options);
    const text = await answer.text();
    if (!answer.ok && !allow) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  async clear() {
    await this.gateway?.end();
    await this.bank?.end();
    this.receiver?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function order(fields) {
  return { phone: '77000000000', message: `Order ${MARKUP}`, ...fields };
}

function token() {
  return randomBytes(24).toString('hex');
}

function line(name, secret, bins, verbs) {
  const hash = createHash('sha256').update(secret).digest('hex');
  const list = (items) => JSON.stringify(items);
  return `\n[[gateway.token]]\nname = "${name}"\nsha256 = "${hash}"\nbins = ${list(bins)}\nverbs = ${list(verbs)}\n`;
}

function json(method, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers['Content-Type'] = 'application/json';
    options.body = JSON.stringify(body);
  }
  return options;
}

async function asked(url, options) {
  const answer = await fetch(url, options);
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return answer;
}

/** A program that says in one line of JSON that it is ready. */
function started(program, args) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = [];
  child.stderr.on('data', (text) => said.push(text));
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const end = async () => {
    child.kill('SIGTERM');
    await gone;
  };
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (text) => {
      resolve({ ready: JSON.parse(text), end, log: () => Buffer.concat(said).toString() });
    });
    gone.then((code) => reject(new Error(`${args.join(' ')} ended with ${code}: ${Buffer.concat(said)}`)));
  });
}

// Each payment, with what was done to it, goes as many days back as its number says.
const SHIFT = `
import sqlite3, sys
books = sqlite3.connect(sys.argv[1])
days, day = int(sys.argv[2]), 86_400_000_000
ids = [row[0] for row in books.execute("SELECT payment_id FROM payments ORDER BY seq")]
for place, payment in enumerate(ids):
    back = (days - 1 - place * days // len(ids)) * day
    books.execute("UPDATE payments SET created_at = created_at - ?1, status_at = status_at - ?1 WHERE payment_id = ?2", (back, payment))
    books.execute("UPDATE operations SET recorded_at = recorded_at - ?1, sent_at = sent_at - ?1, settled_at = settled_at - ?1 WHERE payment_id = ?2", (back, payment))
books.commit()
`;
