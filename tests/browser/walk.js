// Walks the gateway's pages as a person does, in a headless Chromium: `node walk.js PROGRAM PICTURES [DOCS]`.
// Pictures of every page go to PICTURES; with DOCS, the two of the documents are made anew.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DESK, Eyes, PHONE, openBrowser } from './eyes.js';
import { FLOWERS, GIFTS, Stage } from './stage.js';

const [program, pictures, docs] = process.argv.slice(2).map((path) => resolve(path));
assert.ok(program && pictures, 'node walk.js PROGRAM PICTURES [DOCS]');

const TITLES = {
  ru: { books: 'Сверка', charts: 'Графики', differ: 'Kaspi и журнал расходятся', ask: 'Спросить банк' },
  kk: { books: 'Салыстыру', charts: 'Графиктер', differ: 'Kaspi мен журнал сәйкес келмейді', ask: 'Банктен сұрау' },
  en: { books: 'Reconciliation', charts: 'Charts', differ: 'Kaspi and the journal differ', ask: 'Ask the bank' },
};

const stage = await Stage.set(program);
let browser;
try {
  await stage.seed();
  browser = await openBrowser();
  const lesser = [];
  for (const viewport of [DESK, PHONE]) {
    for (const theme of ['light', 'dark']) {
      for (const lang of ['ru', 'kk', 'en']) {
        lesser.push(...await everyPage(viewport, theme, lang));
      }
    }
  }
  lesser.push(...await aDayBesideTheBank(DESK), ...await aDayBesideTheBank(PHONE));
  lesser.push(...await filesForTheAccountant());
  lesser.push(...await anotherToken());
  lesser.push(...await theCalls());
  console.log(`walked; ${lesser.length} lesser findings of axe`);
  new Set(lesser).forEach((one) => console.log(`  ${one}`));
  if (docs) await picturesForTheDocuments();
} catch (error) {
  console.error(stage.gateway?.log().split('\n').slice(-20).join('\n'));
  throw error;
} finally {
  await browser?.close();
  await stage.clear();
}

async function open(viewport, theme, lang, token = stage.admin) {
  return Eyes.open(browser, stage.url, pictures, { viewport, theme, lang, token });
}

/** Both pages of figures, reached as a person reaches them, in one language, theme and width. */
async function everyPage(viewport, theme, lang) {
  const eyes = await open(viewport, theme, lang);
  const { page } = eyes;
  const title = TITLES[lang];
  await eyes.go('/admin/reconciliation');
  assert.equal(await page.locator('h1').textContent(), title.books);
  assert.ok(await page.locator('table.books tbody tr').count() >= 7);
  await eyes.look('books');
  // one BIN, chosen in the form; the language stays
  await page.locator('#bin').selectOption(FLOWERS);
  await page.locator('form[method=get] button').click();
  await page.waitForURL(/bin=891027350515/);
  assert.equal(await page.locator('h1').textContent(), title.books);
  const bins = await page.locator('table.books tbody td small').allTextContents();
  assert.ok(bins.length > 0 && bins.every((bin) => bin === FLOWERS), bins.join());
  await page.getByRole('link', { name: title.charts }).click();
  await page.waitForURL(/\/admin\/charts/);
  assert.equal(await page.locator('h1').textContent(), title.charts);
  await eyes.go(`/admin/charts?lang=${lang}`);
  assert.equal(await page.locator('figure.chart > svg').count(), 5);
  for (const chart of await page.locator('figure.chart').all()) {
    const image = chart.getByRole('img');
    assert.ok((await image.locator('title').first().textContent()).length > 0);
    assert.ok((await image.locator('desc').textContent()).length > 0);
  }
  await eyes.look('charts');
  // the same figures for those who read
  await page.locator('#paid summary').click();
  assert.equal(await page.locator('#paid tbody tr').count(), 30);
  await eyes.axe('charts with figures');
  return eyes.close();
}

/** A cashier has paid back past the gateway: the bank knows, the journal does not. */
async function aDayBesideTheBank(viewport) {
  const lang = viewport === PHONE ? 'kk' : 'ru';
  const eyes = await open(viewport, 'light', lang);
  const { page } = eyes;
  const id = await stage.paid(4321, GIFTS);
  await stage.refundAtTheTill(id, 1234);
  await eyes.go('/admin/reconciliation');
  await page.locator('#bank-bin').selectOption(GIFTS);
  await page.getByRole('button', { name: TITLES[lang].ask }).click();
  await page.getByText(TITLES[lang].differ).first().waitFor({ timeout: 60_000 });
  const row = page.getByRole('row').filter({ hasText: id });
  assert.match(await row.textContent(), /1.234,00.*0,00/u);
  await eyes.look('bank');
  return eyes.close();
}

/** What a spreadsheet is given. */
async function filesForTheAccountant() {
  const eyes = await open(DESK, 'light', 'ru');
  const { page } = eyes;
  await eyes.go('/admin/reconciliation');
  for (const link of await page.locator('ul.files a').all()) {
    const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
    const text = readFileSync(await download.path());
    assert.deepEqual([...text.subarray(0, 3)], [0xef, 0xbb, 0xbf], 'UTF-8 by its mark');
    const lines = text.toString('utf8').split('\r\n');
    assert.ok(lines.length > 3, download.suggestedFilename());
    for (const cell of lines.slice(1).flatMap((line) => line.split(/[;,]/))) {
      assert.doesNotMatch(cell, /^"?[=+@\t]/);
    }
    assert.match(download.suggestedFilename(), /^kaspi-(daily|paid|operations)-\d{4}-\d\d-\d\d-\d{4}-\d\d-\d\d\.csv$/);
  }
  await eyes.axe('files');
  return eyes.close();
}

/** A token of one BIN sees nothing of another. */
async function anotherToken() {
  const eyes = await open(DESK, 'light', 'en', stage.narrow);
  const { page } = eyes;
  await eyes.go('/admin/reconciliation');
  assert.ok(!(await page.content()).includes(GIFTS));
  assert.equal(await page.locator('#bin option').count(), 2);
  await eyes.axe('one BIN');
  eyes.expected(422);
  await page.goto(`${stage.url}/admin/charts?bin=${GIFTS}`);
  assert.ok(!(await page.content()).includes(GIFTS));
  await eyes.axe('refused');
  return eyes.close();
}

/** The page of the calls, which needs no token. */
async function theCalls() {
  const lesser = [];
  for (const viewport of [DESK, PHONE]) {
    for (const theme of ['light', 'dark']) {
      const eyes = await open(viewport, theme, 'en');
      await eyes.go('/docs');
      await eyes.page.locator('#calls details, #calls section').first().waitFor();
      await eyes.look('docs');
      lesser.push(...await eyes.close());
    }
  }
  return lesser;
}

/** Without the markup that no shop has in its name. */
async function picturesForTheDocuments() {
  stage.rename('Gift shop');
  mkdirSync(docs, { recursive: true });
  for (const [path, theme, name] of [
    ['/admin/reconciliation', 'light', 'reconciliation'],
    ['/admin/charts', 'dark', 'charts'],
  ]) {
    const eyes = await open({ width: 1000, height: 700 }, theme, 'en');
    do {
      await eyes.go(path);
    } while (!(await eyes.page.content()).includes('Gift shop'));
    await eyes.page.screenshot({ path: join(docs, `${name}.png`) });
    await eyes.axe(name);
    await eyes.close();
  }
}
