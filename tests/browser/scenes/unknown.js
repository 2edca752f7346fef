// What nobody knows, and a person's word on it.
import assert from 'node:assert/strict';
import { PHONE } from '../eyes.js';

/** Both ways, each with a reason. */
export async function resolving(walk) {
  for (const [how, viewport, lang] of [['not_made', undefined, 'ru'], ['accepted', PHONE, 'kk']]) {
    const eyes = await walk.sit({ viewport, lang });
    const { page } = eyes;
    await eyes.go('/admin/unknown');
    const before = await page.locator('tbody tr').count();
    assert.ok(before > 0);
    const link = page.locator('tbody th a').first();
    const path = await link.getAttribute('href');
    await link.click();
    await page.locator(`input[value=${how}]`).check();
    if (how === 'accepted') await page.locator('#number').fill('17999999999999');
    // without a reason the browser itself sends nothing
    await page.locator(`form[action="${path}"] button`).click();
    assert.equal(await page.locator('#why:invalid').count(), 1);
    await page.locator('#why').fill('looked it up <b>at the till</b>');
    await eyes.look(`resolve-${how}`);
    await eyes.press(path);
    const history = await page.locator('main').textContent();
    assert.match(history, /Aigul/);
    assert.match(history, /looked it up <b>at the till<\/b>/);
    await eyes.look(`resolved-${how}`);
    await eyes.go('/admin/unknown');
    assert.equal(await page.locator('tbody tr').count(), before - 1);
    await walk.leave(eyes);
  }
}
