// The pictures of the documents.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { PHONE } from '../eyes.js';

/** Without the markup that no shop has in its name. */
export async function picturesForTheDocuments(walk, docs) {
  walk.stage.rename('Gift shop');
  mkdirSync(docs, { recursive: true });
  for (const [path, viewport, theme, name] of [
    ['/admin/reconciliation', { width: 1000, height: 700 }, 'light', 'reconciliation'],
    ['/admin/charts', { width: 1000, height: 700 }, 'dark', 'charts'],
    ['/admin', PHONE, 'dark', 'bins-phone'],
  ]) {
    const eyes = await walk.sit({ viewport, theme });
    do {
      await eyes.go(path);
    } while (!(await eyes.page.content()).includes('Gift shop'));
    await eyes.page.screenshot({ path: join(docs, `${name}.png`) });
    await eyes.axe(name);
    await walk.leave(eyes);
  }
}
