// Days beside the bank's details, and files for the accountant.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { DESK, PHONE } from '../eyes.js';
import { GIFTS, SHOP } from '../stage.js';

/** A cashier has paid back past the gateway: the bank knows, the journal does not. */
export async function aDayBesideTheBank(walk) {
  for (const [viewport, lang, differ] of [
    [DESK, 'ru', 'Kaspi и журнал расходятся'], [PHONE, 'kk', 'Kaspi мен журнал сәйкес келмейді'],
  ]) {
    const eyes = await walk.sit({ viewport, lang });
    const { page } = eyes;
    const id = await walk.stage.paid(4321, GIFTS);
    await walk.stage.refundAtTheTill(id, 1234);
    await eyes.go('/admin/reconciliation');
    await page.locator('#bank-bin').selectOption(GIFTS);
    await eyes.press('/admin/reconciliation/bank');
    await page.getByText(differ).first().waitFor({ timeout: 60_000 });
    const row = page.getByRole('row').filter({ hasText: id });
    assert.match(await row.textContent(), /1.234,00.*0,00/u);
    await eyes.look('bank');
    await eyes.go('/admin/trail');
    assert.match(await page.locator('tbody').textContent(), /ask_the_bank/);
    await walk.leave(eyes);
  }
}

/** What a spreadsheet is given. */
export async function filesForTheAccountant(walk) {
  const eyes = await walk.sit({ lang: 'ru' });
  const { page } = eyes;
  await eyes.go('/admin/reconciliation');
  const links = await page.locator('ul.files a').all();
  assert.ok(links.length >= 3);
  for (const link of links) {
    const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
    const text = readFileSync(await download.path());
    assert.deepEqual([...text.subarray(0, 3)], [0xef, 0xbb, 0xbf], 'UTF-8 by its mark');
    const lines = text.toString('utf8').split('\r\n');
    assert.ok(lines.length > 3, download.suggestedFilename());
    const cells = lines.slice(1).flatMap((line) => line.split(/[;,]/));
    for (const cell of cells) {
      assert.doesNotMatch(cell, /^"?[=+@\t]/);
    }
    // who asked for an operation: there, and defused
    const callers = cells.filter((cell) => cell.includes(SHOP));
    assert.equal(callers.length > 0, download.suggestedFilename().includes('operations'));
    assert.ok(callers.every((cell) => cell.replace(/^"/, '').startsWith("'")), callers[0]);
    assert.match(download.suggestedFilename(), /^kaspi-(daily|paid|operations)-\d{4}-\d\d-\d\d-\d{4}-\d\d-\d\d\.csv$/);
  }
  await eyes.axe('files');
  await walk.leave(eyes);
}
