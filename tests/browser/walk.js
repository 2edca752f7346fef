// Walks the gateway's pages as a person does, in a headless Chromium: `node walk.js PROGRAM PICTURES [DOCS]`.
// Pictures of every page go to PICTURES; with DOCS, the two of the documents are made anew.
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { DESK, Eyes, openBrowser } from './eyes.js';
import { aDayBesideTheBank, filesForTheAccountant } from './scenes/books.js';
import { picturesForTheDocuments } from './scenes/documents.js';
import { theDoctor } from './scenes/doctor.js';
import { comingIn, takenAway } from './scenes/door.js';
import { anotherToken, everyPage, theCalls } from './scenes/every_page.js';
import { aTestPayment, cancelling, refunding, searching } from './scenes/payments.js';
import { resolving } from './scenes/unknown.js';
import { deadLetters } from './scenes/webhooks.js';
import { Stage } from './stage.js';

const [program, pictures, docs] = process.argv.slice(2).map((path) => path && resolve(path));
assert.ok(program && pictures, 'node walk.js PROGRAM PICTURES [DOCS]');

const SCENES = [
  comingIn, takenAway, searching, refunding, cancelling, aTestPayment, resolving, theDoctor, deadLetters,
  aDayBesideTheBank, filesForTheAccountant, anotherToken, theCalls, everyPage,
];

/** What every scene is given. */
class Walk {
  constructor(stage, browser) {
    Object.assign(this, { stage, browser, lesser: [], open: [] });
  }

  /** Somebody at a screen: logged in as Aigul, who may do everything, unless said otherwise. */
  async sit({ viewport = DESK, theme = 'light', lang = 'en', cookies = this.cookies } = {}) {
    const eyes = await Eyes.open(this.browser, this.stage.url, pictures, { viewport, theme, lang, cookies });
    this.open.push(eyes);
    return eyes;
  }

  async leave(eyes) {
    this.lesser.push(...await eyes.close());
    this.open.splice(this.open.indexOf(eyes), 1);
  }
}

const stage = await Stage.set(program);
let browser;
let passed = 0;
let failed = 1; // until everything is set up
try {
  await stage.seed();
  browser = await openBrowser();
  const walk = new Walk(stage, browser);
  const door = await walk.sit({ cookies: [] });
  walk.cookies = await door.enter(stage.admin);
  await door.context.close();
  failed = 0;
  for (const scene of SCENES) {
    const began = Date.now();
    try {
      await scene(walk);
      passed += 1;
    } catch (error) {
      failed += 1;
      console.error(`FAILED ${scene.name}:`, error);
      await Promise.all(walk.open.map((eyes) => eyes.picture(`failed-${scene.name}`).catch(() => {})));
      await Promise.all(walk.open.map((eyes) => eyes.context.close()));
    }
    walk.open = [];
    console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(6)} s  ${scene.name}`);
  }
  const lesser = new Set(walk.lesser);
  console.log(`${lesser.size} lesser findings of axe`);
  lesser.forEach((one) => console.log(`  ${one}`));
  if (docs && failed === 0) await picturesForTheDocuments(walk, docs);
} finally {
  if (failed > 0) console.error(stage.gateway?.log().split('\n').slice(-20).join('\n'));
  await browser?.close();
  await stage.clear();
}
console.log(`browser: ${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
