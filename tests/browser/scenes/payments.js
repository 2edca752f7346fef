// Payments: finding one, and what can be done with it.
import assert from 'node:assert/strict';
import { PHONE } from '../eyes.js';
import { FLOWERS, GIFTS } from '../stage.js';

/** By BIN, state, amount, date and number, page after page. */
export async function searching(walk) {
  const eyes = await walk.sit({ lang: 'ru' });
  const { page } = eyes;
  const rows = page.locator('table tbody tr');
  const show = () => eyes.press('/admin/payments');
  await eyes.go('/admin/payments');
  const first = await rows.allTextContents();
  assert.equal(first.length, 50);
  await page.locator('a[rel=next]').click();
  const second = await rows.allTextContents();
  assert.ok(second.length > 0 && second.every((row) => !first.includes(row)), 'another page');
  await eyes.go('/admin/payments');
  await page.locator('#bin').selectOption(GIFTS);
  await page.locator('#state').selectOption('paid');
  await show();
  const gifts = await rows.allTextContents();
  assert.ok(gifts.length > 0 && gifts.every((row) => row.includes(GIFTS) && row.includes('Оплачен')), gifts[0]);
  assert.equal(await page.locator('#bin').inputValue(), GIFTS, 'what was chosen stays');
  await page.locator('#least').fill('9000');
  await page.locator('#most').fill('9499,99');
  await page.locator('#bin').selectOption('');
  await show();
  const dear = await rows.locator('td.num').allTextContents();
  const sums = dear.map((text) => Number(text.replace(/[^\d,]/gu, '').replace(',', '.')));
  assert.ok(sums.length > 0 && sums.every((sum) => sum >= 9000 && sum < 9500), dear.join());
  await eyes.look('payments-found');
  await eyes.go('/admin/payments?from=2001-01-01&to=2001-01-02');
  assert.equal(await page.locator('.empty').count(), 1);
  // the seed goes back a day at a time: some of this one day, and of no other
  const day = new Date(Date.now() + 5 * 3_600_000 - 5 * 86_400_000).toISOString().slice(0, 10);
  await page.locator('#from').fill(day);
  await page.locator('#to').fill(day);
  await show();
  const days = await rows.locator('td:last-child').allTextContents();
  assert.ok(days.length > 0 && days.every((made) => made.startsWith(day)), `${day}: ${days}`);
  const id = await walk.stage.paid(777);
  await page.locator('#from').fill('');
  await page.locator('#to').fill('');
  await page.locator('#id').fill(id);
  await show();
  await page.waitForURL(new RegExp(`/admin/payment/${id}`));
  assert.match(await page.locator('h1').textContent(), new RegExp(id));
  await eyes.press(`/admin/payment/${id}/check`);
  await page.getByRole('status').waitFor();
  await walk.leave(eyes);
}

/** One click cannot pay back twice: two at once, the form sent again and by two at once, going back. */
export async function refunding(walk) {
  for (const [viewport, lang] of [[undefined, 'kk'], [PHONE, 'ru']]) {
    const eyes = await walk.sit({ viewport, lang });
    const { page } = eyes;
    const id = await walk.stage.paid(5000);
    const before = await walk.stage.asked('/payment/return');
    await eyes.go(`/admin/payment/${id}`);
    await page.locator(`a[href="/admin/payment/${id}/refund"]`).click();
    assert.match(await page.locator('main').textContent(), /5.000,00/u, 'what is left');
    await page.locator('input[name=amount]').fill('1250,50');
    await eyes.look('refund-asked');
    const form = page.locator(`form[action="/admin/payment/${id}/refund"]`);
    const fields = await form.evaluate((one) => new URLSearchParams(new FormData(one)).toString());
    // two clicks before the browser has done anything about the first
    await Promise.all([page.waitForEvent('load'), form.evaluate((one) => {
      const button = one.querySelector('button');
      button.click();
      button.click();
    })]);
    await page.getByRole('status').waitFor();
    assert.match(await page.getByRole('status').textContent(), /1.250,50/u);
    await eyes.look('refund-done');
    // the same form once more, as a browser sends it that loads the page again
    const again = await page.evaluate(async ([path, body]) => (await fetch(path, {
      method: 'POST', body, headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    }).catch(() => ({ status: 'refused by the policy of the page' }))).status, [`/admin/payment/${id}/refund`, fields]);
    assert.match(String(again), /policy/, 'no script of the page may ask');
    eyes.errors = eyes.errors.filter((text) => !/Content Security Policy|Failed to fetch/.test(text));
    const send = () => eyes.context.request.post(`${eyes.origin}/admin/payment/${id}/refund`, {
      data: fields, headers: { 'Content-Type': 'application/x-www-form-urlencoded', Origin: eyes.origin },
    });
    for (const repeated of await Promise.all([send(), send()])) assert.equal(repeated.status(), 200);
    // going back shows a form that is drawn anew: it says what is left now, and asks for an amount again
    await page.goBack();
    assert.match(await page.locator('main').textContent(), /3.749,50/u);
    await eyes.look('refund-went-back');
    assert.equal(await walk.stage.asked('/payment/return') - before, 1, 'requests for a refund');
    assert.equal(await walk.stage.refunded(id), 1250.5);
    // a form that is drawn anew says what is left now, and is a refund of its own
    await eyes.go(`/admin/payment/${id}/refund`);
    assert.match(await page.locator('main').textContent(), /3.749,50/u);
    await page.locator('input[name=amount]').fill('0.50');
    await eyes.press(`/admin/payment/${id}/refund`);
    assert.equal(await walk.stage.refunded(id), 1251);
    await walk.leave(eyes);
  }
}

export async function cancelling(walk) {
  const eyes = await walk.sit();
  const { page } = eyes;
  const id = await walk.stage.invoice({ amount: 300, organization_bin: FLOWERS });
  await eyes.go(`/admin/payment/${id}`);
  await page.locator(`a[href="/admin/payment/${id}/cancel"]`).click();
  await eyes.look('cancel-asked');
  await eyes.press(`/admin/payment/${id}/cancel`);
  assert.match(await page.getByRole('status').textContent(), /cancelled/);
  await eyes.look('cancelled');
  await walk.leave(eyes);
}

/** The form for trying a BIN. */
export async function aTestPayment(walk) {
  const eyes = await walk.sit({ viewport: PHONE, lang: 'ru' });
  const { page } = eyes;
  await eyes.go('/admin/test');
  assert.match(await page.locator('main').textContent(), /песочница/);
  await page.locator('#bin').selectOption(GIFTS);
  await page.locator('#amount').fill('150');
  await page.locator('#phone').fill('+7 700 000 00 00');
  await page.locator('#message').fill('<b onclick=owned=1>=1+1</b>');
  await eyes.press('/admin/test');
  await eyes.look('test-payment');
  await page.getByRole('status').getByRole('link').click();
  const shown = await page.locator('main').textContent();
  assert.ok(shown.includes(GIFTS) && !shown.includes('7000000000'), shown);
  await eyes.go('/admin/trail');
  assert.match(await page.locator('tbody tr').first().textContent(), /Aigul.*test_payment.*invoice 150.*done/su);
  await walk.leave(eyes);
}
