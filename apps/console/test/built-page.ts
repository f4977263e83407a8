// The page as `npm run build` makes it, in a folder of its own, and a browser to look at it.

import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Browser, chromium, type Page } from 'playwright-core';

const APP = join(import.meta.dirname, '..');

/** Builds into a new folder and answers with it. */
export async function buildPage(): Promise<string> {
  const outDir = mkdtempSync(join(tmpdir(), 'tapestry-page-'));
  const vite = join(
    dirname(createRequire(import.meta.url).resolve('vite/package.json')),
    'bin/vite.js',
  );
  // In a process of its own: vitest's NODE_ENV would make it a development build.
  await promisify(execFile)(
    process.execPath,
    [vite, 'build', '--outDir', outDir, '--emptyOutDir', '--logLevel', 'error'],
    { cwd: APP, env: { ...process.env, NODE_ENV: 'production' } },
  );
  return outDir;
}

const program = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Why there is no browser to test with; empty when there is one. */
export const noBrowser = existsSync(program)
  ? ''
  : `no Chromium at ${program} (apt-get install chromium, or name one in CHROMIUM)`;

export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: program,
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      '--disable-dev-shm-usage',
    ],
  });
}

/** Those that the documents show. */
const KEPT = ['activity-light', 'activity-dark', 'job', 'devices', 'phone'];

/** Takes pictures to be looked at; those of the documents go there when RENEW_PICTURES=1. */
export function photographer(): (page: Page, name: string) => Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'tapestry-pictures-'));
  return async (page, name) => {
    const path = join(dir, `${name}.png`);
    await page.screenshot({ path });
    if (process.env.RENEW_PICTURES !== '1' || !KEPT.includes(name)) return;
    const docs = join(APP, '../../docs/pictures');
    mkdirSync(docs, { recursive: true });
    copyFileSync(path, join(docs, `${name}.png`));
  };
}
