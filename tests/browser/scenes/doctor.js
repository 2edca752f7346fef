// The doctor's button, and its stages as they end.
import assert from 'node:assert/strict';
import { PHONE } from '../eyes.js';
import { FLOWERS } from '../stage.js';

export async function theDoctor(walk) {
  for (const [viewport, lang, well] of [[undefined, 'ru', 'Всё в порядке'], [PHONE, 'kk', 'Бәрі дұрыс']]) {
    const eyes = await walk.sit({ viewport, lang });
    const { page } = eyes;
    // the bank is slow: what is known before its answer is seen meanwhile
    await walk.stage.fault('/r3/v01/partner/tradepoints/*', 'delay', 1, 4000);
    await eyes.go('/admin');
    await page.locator(`section[aria-labelledby="bin-${FLOWERS}"] form button`).click();
    await page.waitForURL(/\/admin\/doctor\//);
    await page.locator('.stages li', { hasText: 'tls' }).waitFor();
    assert.equal(await page.locator('.stages li', { has: page.locator('code', { hasText: /^bin$/ }) }).count(), 0);
    await eyes.picture('doctor-runs');
    // the page comes again by itself
    await page.getByRole('status').filter({ hasText: well }).waitFor({ timeout: 60_000 });
    assert.equal(await page.locator('.stages > li').count(), 10);
    await eyes.look('doctor');
    await walk.leave(eyes);
  }
}
