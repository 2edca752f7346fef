// Every page in every language, theme and width; who sees less; the page of the calls.
import assert from 'node:assert/strict';
import { DESK, PHONE } from '../eyes.js';
import { FLOWERS, GIFTS } from '../stage.js';

const TITLES = { ru: 'Сверка', kk: 'Салыстыру', en: 'Reconciliation' };

export async function everyPage(walk) {
  const payment = await walk.stage.paid(1999);
  for (const viewport of [DESK, PHONE]) {
    for (const theme of ['light', 'dark']) {
      for (const lang of ['ru', 'kk', 'en']) {
        const eyes = await walk.sit({ viewport, theme, lang });
        for (const [name, path] of Object.entries(await pages(eyes, payment))) {
          await eyes.go(path);
          await eyes.look(name);
        }
        await figures(eyes);
        await walk.leave(eyes);
      }
    }
  }
}

async function pages(eyes, payment) {
  const first = async (list, link) => {
    await eyes.go(list);
    return eyes.page.locator(link).first().getAttribute('href');
  };
  return {
    bins: '/admin',
    doctor: `/admin/doctor/${FLOWERS}`,
    'doctor-never': `/admin/doctor/${GIFTS}`,
    payments: '/admin/payments',
    payment: `/admin/payment/${payment}`,
    refund: `/admin/payment/${payment}/refund`,
    unknown: '/admin/unknown',
    operation: await first('/admin/unknown', 'tbody th a'),
    webhooks: '/admin/webhooks',
    webhook: await first('/admin/webhooks', 'a[href^="/admin/webhook/"]'),
    test: '/admin/test',
    trail: '/admin/trail',
    logout: '/admin/logout',
  };
}

/** The pages of figures, reached as a person reaches them. */
async function figures(eyes) {
  const { page, lang } = eyes;
  await eyes.go('/admin/reconciliation');
  assert.equal(await page.locator('h1').textContent(), TITLES[lang]);
  assert.ok(await page.locator('table.books tbody tr').count() >= 7);
  await eyes.look('books');
  await page.locator('#bin').selectOption(FLOWERS);
  await page.locator('form[method=get] button').click();
  await page.waitForURL(/bin=891027350515/);
  const bins = await page.locator('table.books tbody td small').allTextContents();
  assert.ok(bins.length > 0 && bins.every((bin) => bin === FLOWERS), bins.join());
  await page.locator('header a[href^="/admin/charts"]').click();
  await page.waitForURL(/\/admin\/charts/);
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
}

/** A token of one BIN sees nothing of another. */
export async function anotherToken(walk) {
  const eyes = await walk.sit({ cookies: [] });
  const { page } = eyes;
  eyes.expected(401);
  eyes.expected(404);
  eyes.expected(422);
  await eyes.enter(walk.stage.narrow);
  for (const path of ['', '/payments', '/unknown', '/webhooks', '/test', '/trail', '/reconciliation', '/charts']) {
    await eyes.go(`/admin${path}`);
    assert.ok(!(await page.content()).includes(GIFTS), path);
  }
  await eyes.go('/admin/reconciliation');
  assert.equal(await page.locator('#bin option').count(), 2);
  await eyes.axe('one BIN');
  const theirs = await walk.stage.paid(4242, GIFTS);
  for (const path of [`/payment/${theirs}`, `/charts?bin=${GIFTS}`, `/doctor/${GIFTS}`, `/webhooks?bin=${GIFTS}`]) {
    const answer = await page.goto(`${eyes.origin}/admin${path}`);
    assert.ok([404, 422].includes(answer.status()), `${path}: ${answer.status()}`);
    assert.ok(!(await page.locator('main').textContent()).includes(GIFTS), path);
  }
  await eyes.axe('refused');
  await walk.leave(eyes);
}

/** The page of the calls, which needs no token. */
export async function theCalls(walk) {
  for (const viewport of [DESK, PHONE]) {
    for (const theme of ['light', 'dark']) {
      const eyes = await walk.sit({ viewport, theme, cookies: [] });
      await eyes.go('/docs');
      await eyes.page.locator('#calls details, #calls section').first().waitFor();
      await eyes.look('docs');
      await walk.leave(eyes);
    }
  }
}
