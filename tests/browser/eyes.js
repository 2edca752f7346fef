// A browser that notices what a person would not: errors, requests elsewhere, what readers cannot read.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const DESK = { width: 1280, height: 800 };
export const PHONE = { width: 360, height: 780 };

/** The browser, with a folder of its own that goes with it. */
export async function openBrowser() {
  return chromium.launch({
    executablePath: process.env.KASPI_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** One person at one screen. */
export class Eyes {
  /** `cookies` are of somebody who has logged in; without them nobody has. */
  static async open(browser, origin, pictures, { viewport, theme, lang, cookies = [] }) {
    const eyes = new Eyes();
    Object.assign(eyes, { origin, pictures, viewport, theme, lang, errors: [], elsewhere: [], lesser: [], axed: 0 });
    eyes.context = await browser.newContext({
      viewport, colorScheme: theme, locale: lang, reducedMotion: 'reduce', acceptDownloads: true,
      storageState: { cookies, origins: [] },
    });
    eyes.allowed = [];
    eyes.page = await eyes.context.newPage();
    eyes.page.on('console', (message) => {
      if (!['error', 'warning'].includes(message.type())) return;
      if (eyes.allowed.some((status) => message.text().includes(`status of ${status}`))) return;
      eyes.errors.push(`${eyes.page.url()}: ${message.text()}`);
    });
    eyes.page.on('pageerror', (error) => eyes.errors.push(`${eyes.page.url()}: ${error}`));
    eyes.context.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(`${origin}/`) && !url.startsWith('data:')) eyes.elsewhere.push(url);
    });
    eyes.context.on('response', (response) => {
      if (response.status() >= 500) eyes.errors.push(`${response.url()}: ${response.status()}`);
    });
    return eyes;
  }

  get name() {
    const width = this.viewport.width === PHONE.width ? 'phone' : 'desk';
    return `${width}-${this.theme}-${this.lang}`;
  }

  /** A status that the next page is to have, which the browser tells of in its console. */
  expected(status) {
    this.allowed.push(status);
  }

  /** Logs in as a person does, and gives the cookie. */
  async enter(token) {
    const { page } = this;
    await page.goto(`${this.origin}/admin`);
    await page.locator('#token').fill(token);
    await page.locator('main button').click();
    return (await this.context.cookies()).filter(({ name }) => name.endsWith('kaspi_admin'));
  }

  /** Presses a button of the form that goes to `action`, and waits for what comes of it. */
  async press(action) {
    const button = this.page.locator(`form[action="${action}"] button`);
    await Promise.all([this.page.waitForEvent('load'), button.click()]);
  }

  async go(path) {
    const answer = await this.page.goto(this.origin + path);
    assert.ok(answer.ok(), `${path}: ${answer.status()}`);
  }

  /** Everything that has to hold of the page that is open, and a picture of it. */
  async look(what) {
    const { page } = this;
    const { scroll, client } = await page.evaluate(() => ({
      scroll: document.documentElement.scrollWidth, client: document.documentElement.clientWidth,
    }));
    await this.picture(what);
    assert.ok(scroll <= client, `${this.name} ${what}: ${scroll} px wide on a screen of ${client}`);
    assert.equal(await page.evaluate(() => typeof window.owned), 'undefined', `${what}: somebody else's script ran`);
    assert.equal(await page.locator('img[src="x"]').count(), 0, `${what}: somebody else's markup`);
    assert.equal(await page.evaluate(() => document.documentElement.lang), this.lang, `${what}: language`);
    await this.axe(what);
  }

  async axe(what) {
    // through the debugger, past the page's policy, which stays as it is for the page
    const found = await this.page.evaluate(`${AXE}; axe.run(document, { resultTypes: ['violations'] })`);
    this.axed += 1;
    const told = (one) => `${this.name} ${what}: ${one.id} (${one.impact}): ${one.help}: `
      + one.nodes.slice(0, 4).map((node) => node.target.join(' ')).join(', ');
    const grave = found.violations.filter((one) => ['serious', 'critical'].includes(one.impact));
    this.lesser.push(...found.violations.filter((one) => !grave.includes(one)).map(told));
    assert.deepEqual(grave.map(told), [], 'accessibility');
  }

  async picture(what, { fullPage = true } = {}) {
    mkdirSync(this.pictures, { recursive: true });
    await this.page.screenshot({ path: join(this.pictures, `${what}-${this.name}.png`), fullPage });
  }

  /** To be called at the end. */
  async close() {
    assert.deepEqual(this.errors, [], 'the console');
    assert.deepEqual(this.elsewhere, [], 'requests to other hosts');
    assert.ok(this.axed > 0, 'nothing was looked at');
    await this.context.close();
    return this.lesser;
  }
}
