// The page in a real browser, on a stage with a night's jobs: for tests that use it as a person does, by roles and names.

import { rmSync } from 'node:fs';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, onTestFinished } from 'vitest';
import { buildPage, noBrowser, openBrowser } from './built-page.ts';
import { pastJobs, presentJobs, type SceneJob } from './scene.ts';
import { PASSWORD, type Stage, startStage, USER } from './stage.ts';

/** For a machine that does much else; no test asks how long something took. */
export const PATIENCE_MS = 180_000;

export interface Theatre {
  readonly stage: Stage;
  readonly nowMs: number;
  /** Jobs 1001 to 1006: those that run or wait. Jobs 1 to 1000 are over. */
  readonly present: readonly SceneJob[];
  /** A fresh browser profile, closed with the test; `faults` is what the page logs as errors. */
  visit(
    path: string,
    options?: Parameters<Browser['newContext']>[0],
  ): Promise<{ page: Page; context: BrowserContext; faults: string[] }>;
}

/** Tests with a browser and a stage of their own; skipped where there is no browser. */
export function inBrowser(tests: (theatre: Theatre) => void): void {
  describe.skipIf(noBrowser !== '')(`in a browser${noBrowser && `: skipped, ${noBrowser}`}`, () => {
    const nowMs = Date.now();
    const present = presentJobs(1_001, nowMs);
    let pageDir: string | undefined;
    let browser: Browser | undefined;
    let stage: Stage | undefined;
    beforeAll(async () => {
      pageDir = await buildPage();
      stage = await startStage({ CONSOLE_PAGE_DIR: pageDir });
      stage.fill([...pastJobs(1_000, nowMs), ...present]);
      browser = await openBrowser();
    }, PATIENCE_MS);
    afterAll(async () => {
      await browser?.close();
      await stage?.stop();
      if (pageDir !== undefined) rmSync(pageDir, { recursive: true, force: true });
    });
    tests({
      nowMs,
      present,
      get stage() {
        return stage!;
      },
      visit: (path, options) => visit(browser!, `${stage!.url}${path}`, options),
    });
  });
}

async function visit(
  browser: Browser,
  url: string,
  options: Parameters<Browser['newContext']>[0] = {},
): ReturnType<Theatre['visit']> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 860 }, ...options });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('console', (message) => {
    // The question "who am I" of somebody who is not logged in yet is answered with 401.
    if (message.type() === 'error' && !/401|ERR_/.test(message.text())) faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(String(error)));
  await page.goto(url);
  return { page, context, faults };
}

export async function logIn(page: Page): Promise<void> {
  await page.getByRole('textbox', { name: 'User' }).fill(USER);
  await page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('navigation', { name: 'Places' }).waitFor();
}

export function rowOf(page: Page, jobId: bigint): Locator {
  const cell = page.getByRole('gridcell', { name: String(jobId), exact: true });
  return page.getByRole('row').filter({ has: cell });
}
