// Coming in, and being turned out.
import assert from 'node:assert/strict';
import { PHONE } from '../eyes.js';

/** A wrong token first, then the right one, and out again. */
export async function comingIn(walk) {
  const eyes = await walk.sit({ viewport: PHONE, lang: 'ru', cookies: [] });
  const { page } = eyes;
  eyes.expected(401);
  eyes.expected(403);
  await page.goto(`${eyes.origin}/admin/payments`);
  assert.equal(await page.locator('#token').count(), 1, 'a page for nobody asks who comes');
  await eyes.look('login');
  // nobody's token, and one that may not administer
  for (const wrong of ['nobody-has-this-token', walk.stage.shop]) {
    await eyes.enter(wrong);
    await page.getByRole('alert').waitFor();
    assert.ok(!(await page.content()).includes(wrong));
  }
  await eyes.look('login-refused');
  const [cookie] = await eyes.enter(walk.stage.admin);
  assert.ok(cookie.httpOnly && cookie.sameSite === 'Strict', JSON.stringify(cookie));
  assert.equal(await page.locator('section').count(), 2, 'a card for each BIN');
  await eyes.look('bins');
  await page.locator('a[href^="/admin/logout"]').click();
  assert.match(await page.locator('main').textContent(), /Aigul/);
  await eyes.press('/admin/logout');
  assert.equal(await page.locator('#token').count(), 1);
  // what the browser kept opens nothing
  await eyes.context.addCookies([cookie]);
  await page.goto(`${eyes.origin}/admin`);
  assert.equal(await page.locator('#token').count(), 1, 'the session is over at the gateway too');
  await walk.leave(eyes);
}

/** Somebody whose token is taken out of the configuration. */
export async function takenAway(walk) {
  const eyes = await walk.sit({ cookies: [] });
  eyes.expected(401);
  await eyes.enter(walk.stage.passing);
  assert.equal(await eyes.page.locator('#token').count(), 0);
  await eyes.axe('before');
  walk.stage.revoke('Passing');
  await waiting(async () => {
    await eyes.page.goto(`${eyes.origin}/admin`);
    return await eyes.page.locator('#token').count() === 1;
  });
  await walk.leave(eyes);
}

/** Until a condition holds; the gateway looks at its file every other second. */
export async function waiting(holds) {
  const end = Date.now() + 60_000;
  while (!await holds()) {
    if (Date.now() > end) throw new Error(`in vain: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
