// Webhooks that were given up, and sending them again.
import assert from 'node:assert/strict';
import { PHONE } from '../eyes.js';
import { FLOWERS } from '../stage.js';
import { waiting } from './door.js';

export async function deadLetters(walk) {
  const { stage } = walk;
  const eyes = await walk.sit({ viewport: PHONE, lang: 'ru' });
  const { page } = eyes;
  await eyes.go('/admin/webhooks');
  assert.match(await page.locator('main').textContent(), /backend/);
  await eyes.look('webhooks');
  await page.locator('#bin').selectOption(FLOWERS);
  await page.locator('#state').selectOption('dead');
  await eyes.press('/admin/webhooks');
  await page.locator('tbody th a').first().click();
  assert.match(await page.locator('main').textContent(), /410/);
  await eyes.look('webhook-dead');
  const id = await page.locator('dd code').first().textContent();
  const times = () => stage.heard.filter((heard) => heard === id).length;
  assert.equal(times(), 1);
  stage.answer = 204;
  await page.locator(`form[action="/admin/webhook/${id}"]`).evaluate((form) => {
    form.querySelector('button').click();
    form.querySelector('button').click();
  });
  await page.getByRole('status').waitFor();
  await waiting(async () => times() === 2);
  await waiting(async () => {
    await eyes.go(`/admin/webhook/${id}`);
    return (await page.locator('main').textContent()).includes('доставлено');
  });
  await eyes.look('webhook-delivered');
  await eyes.go('/admin/webhooks');
  await eyes.press('/admin/webhooks/dead');
  assert.match(await page.getByRole('status').textContent(), /[1-9]/);
  assert.equal(times(), 2, 'what was delivered is not sent again');
  await walk.leave(eyes);
}
