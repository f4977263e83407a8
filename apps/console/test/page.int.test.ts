// The page in a real browser, used as a person does: by roles and names. Leaves pictures to be looked at.

import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { buildPage, noBrowser, openBrowser, photographer } from './built-page.ts';
import { pastJobs, presentJobs, type SceneJob } from './scene.ts';
import { PASSWORD, type Stage, startStage, USER } from './stage.ts';

const FIRST_LOAD_MAX_BYTES = 200_000;
const GB = 1_000_000_000n;
/** For a machine that does much else; no test asks how long something took. */
const PATIENCE_MS = 180_000;
/** ROWS=100000 walks as far as the page promises; it takes a minute. */
const ROWS = Number(process.env.ROWS ?? 10_000);

let pageDir: string;

beforeAll(async () => {
  pageDir = await buildPage();
}, 120_000);

afterAll(() => rmSync(pageDir, { recursive: true, force: true }));

test('the first load is at most 200 kB, compressed', () => {
  const html = readFileSync(join(pageDir, 'index.html'), 'utf8');
  const first = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map(([, name]) => name!);
  expect(first.some((name) => name.endsWith('.js'))).toBe(true);
  const sizes = [...first, 'index.html'].map(
    (name) => gzipSync(readFileSync(join(pageDir, name))).length,
  );
  const sum = sizes.reduce((total, size) => total + size, 0);
  expect(sum).toBeGreaterThan(20_000);
  expect(sum).toBeLessThanOrEqual(FIRST_LOAD_MAX_BYTES);
});

test('each file has its compressed copies, and nothing comes from elsewhere', () => {
  const names = readdirSync(join(pageDir, 'assets'));
  const js = names.filter((name) => name.endsWith('.js'));
  for (const name of js) {
    expect(names).toEqual(expect.arrayContaining([`${name}.gz`, `${name}.br`]));
    const compressed = statSync(join(pageDir, 'assets', `${name}.br`)).size;
    expect(compressed).toBeLessThan(statSync(join(pageDir, 'assets', name)).size);
  }
  const html = readFileSync(join(pageDir, 'index.html'), 'utf8');
  expect(html).not.toMatch(/https?:\/\//);
  const css = names.filter((name) => name.endsWith('.css'));
  for (const name of css) {
    expect(readFileSync(join(pageDir, 'assets', name), 'utf8')).not.toMatch(/url\(["']?https?:/);
  }
});

describe.skipIf(noBrowser !== '')(`in a browser${noBrowser && `: skipped, ${noBrowser}`}`, () => {
  const nowMs = Date.now();
  const shoot = photographer();
  const present = presentJobs(1_001, nowMs);
  let stage: Stage;
  let browser: Browser;

  beforeAll(async () => {
    stage = await startStage({ CONSOLE_PAGE_DIR: pageDir });
    stage.fill([...pastJobs(1_000, nowMs), ...present]);
    browser = await openBrowser();
  }, PATIENCE_MS);

  afterAll(async () => {
    await browser?.close();
    await stage?.stop();
  });

  /** A fresh browser profile; what the page logs as an error fails the test. */
  async function visit(
    path: string,
    options: Parameters<Browser['newContext']>[0] = {},
  ): Promise<{ page: Page; context: BrowserContext; faults: string[] }> {
    const context = await browser.newContext({
      viewport: { width: 1440, height: 860 },
      ...options,
    });
    const page = await context.newPage();
    const faults: string[] = [];
    page.on('console', (message) => {
      // The question "who am I" of somebody who is not logged in yet is answered with 401.
      if (message.type() === 'error' && !/401|ERR_/.test(message.text()))
        faults.push(message.text());
    });
    page.on('pageerror', (error) => faults.push(String(error)));
    onTestFinished(() => context.close());
    await page.goto(`${stage.url}${path}`);
    return { page, context, faults };
  }

  async function logIn(page: Page): Promise<void> {
    await page.getByRole('textbox', { name: 'User' }).fill(USER);
    await page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('navigation', { name: 'Places' }).waitFor();
  }

  const rowOf = (page: Page, jobId: bigint) =>
    page
      .getByRole('row')
      .filter({ has: page.getByRole('gridcell', { name: String(jobId), exact: true }) });

  test(
    'a wrong password says so; the right one leads to where one wanted to go',
    async () => {
      const { page, faults } = await visit('/activity?state=failed');
      await page.getByRole('textbox', { name: 'User' }).fill(USER);
      await page.getByRole('textbox', { name: 'Password' }).fill('wrong');
      await page.getByRole('button', { name: 'Log in' }).click();
      await page
        .getByRole('alert')
        .getByText('the user name or the password is wrong', { exact: false })
        .waitFor();
      await logIn(page);
      await page.getByRole('button', { name: /^Failed/, pressed: true }).waitFor();
      expect(new URL(page.url()).search).toBe('?state=failed');
      await page.getByRole('button', { name: 'Log out' }).click();
      await page.getByRole('button', { name: 'Log in' }).waitFor();
      expect(faults).toEqual([]);
    },
    PATIENCE_MS,
  );

  test(
    'a job goes from queued to done before one’s eyes, and nothing is reloaded',
    async () => {
      const { page, faults } = await visit('/');
      await logIn(page);
      await page.evaluate(() => Object.assign(window, { sameDocument: true }));
      const job: SceneJob = {
        jobId: 2_000n,
        policy: 'nightly-home',
        client: 'nas-fra-01',
        path: '/vol/live',
        steps: 1,
        try: 1,
      };
      await stage.put({
        ...job,
        state: 'JOB_STATE_QUEUED',
        flowStep: 3,
        submittedMs: BigInt(Date.now()),
      });
      const row = rowOf(page, 2_000n);
      await row.getByText('Queued').waitFor();
      await stage.put({ ...job, stateDetails: 'all drives are in use' });
      await row.getByText('Waiting').waitFor();
      await stage.put({
        ...job,
        state: 'JOB_STATE_ACTIVE',
        stateDetails: '',
        operation: 'mounting',
        flowStep: 6,
        startedMs: BigInt(Date.now()),
      });
      await row.getByText('Mounting').waitFor();
      await stage.put({
        ...job,
        operation: 'writing',
        flowStep: 8,
        bytes: 5n * GB,
        bytesExpected: 10n * GB,
      });
      await row.getByText('Writing').waitFor();
      await row.getByRole('progressbar').and(page.locator('[aria-valuenow="50"]')).waitFor();

      await row.click();
      const panel = page.getByRole('complementary', { name: 'Job 2000' });
      await panel
        .getByRole('img', { name: /Step 8 of 10: data flows: nas-fra-01 sends/ })
        .waitFor();
      expect(new URL(page.url()).pathname).toBe('/activity/2000');
      await stage.say(2_000n, 'begin writing backup id nas-fra-01_1767', { producer: 'bptm' });
      await panel.getByRole('log').getByText('begin writing backup id nas-fra-01_1767').waitFor();

      stage.addTry(2_000n, {
        try: 1,
        status: 0,
        statusText: '',
        startedMs: 1n,
        endedMs: 61_001n,
        mediaServer: 'media1',
      });
      await stage.put({
        ...job,
        state: 'JOB_STATE_DONE',
        status: 0,
        flowStep: 10,
        bytes: 10n * GB,
        endedMs: BigInt(Date.now()),
      });
      await row.getByText('Done 0').waitFor();
      await panel.getByRole('img', { name: /All ten steps are done/ }).waitFor();
      await panel.getByRole('cell', { name: 'Good, 0' }).waitFor();
      expect(await page.evaluate(() => 'sameDocument' in window)).toBe(true);
      await page.keyboard.press('Escape');
      await panel.waitFor({ state: 'detached' });
      expect(faults).toEqual([]);
    },
    PATIENCE_MS,
  );

  test(
    'a cancel asks first, shows its command, and reaches nbjm',
    async () => {
      const { page, faults } = await visit('/activity/1001');
      await logIn(page);
      const panel = page.getByRole('complementary', { name: 'Job 1001' });
      await panel.getByRole('button', { name: 'Cancel…' }).click();
      const dialog = page.getByRole('dialog', { name: 'Cancel job 1001?' });
      await dialog.getByText('bpdbjobs -cancel -jobid 1001').waitFor();
      await dialog.getByRole('button', { name: 'Keep it running' }).click();
      await dialog.waitFor({ state: 'detached' });
      expect(stage.nbjm.requests('CancelJob')).toEqual([]);
      await panel.getByRole('button', { name: 'Cancel…' }).click();
      await dialog.getByRole('button', { name: 'Cancel the job' }).click();
      const request = await stage.nbjm.waitFor('CancelJob');
      expect(request).toEqual({ jobId: 1_001n, requester: USER });
      await stage.put({ ...present[0]!, cancelling: true });
      await panel.getByText('Cancelling').waitFor();
      await stage.put({ ...present[0]!, cancelling: false });
      expect(faults).toEqual([]);
    },
    PATIENCE_MS,
  );

  test(
    'everything can be reached by keys',
    async () => {
      const { page } = await visit('/activity');
      await logIn(page);
      await rowOf(page, 1_006n).waitFor();
      await page.keyboard.press('j');
      await page.keyboard.press('j');
      await page.keyboard.press('k');
      await page.keyboard.press('j');
      const picked = page.getByRole('row', { selected: true });
      const name = await picked.getByRole('gridcell').first().textContent();
      await page.keyboard.press('Enter');
      await page.getByRole('complementary', { name: `Job ${name}` }).waitFor();
      await page.keyboard.press('j');
      await page.getByRole('complementary', { name: `Job ${name}` }).waitFor({ state: 'detached' });
      await page.keyboard.press('Escape');
      await page.getByRole('complementary').waitFor({ state: 'detached' });
      await page.keyboard.press('/');
      await page.keyboard.type('policy:vm-images status:84');
      await page.waitForURL(/q=policy%3Avm-images\+status%3A84/);
      await page.getByRole('row').filter({ hasText: 'vm-images' }).first().waitFor();
      expect(await page.getByRole('row').filter({ hasText: 'nightly-home' }).count()).toBe(0);
      await page.keyboard.press('Escape');
      await page.keyboard.press('?');
      await page.getByRole('dialog', { name: 'Keys and searches' }).waitFor();
    },
    PATIENCE_MS,
  );

  test(
    'a lost stream is said, and the page catches up by itself',
    async () => {
      const { page, context } = await visit('/activity');
      await logIn(page);
      await rowOf(page, 1_006n).getByText('Queued').waitFor();
      await context.setOffline(true);
      await stage.bus.kill();
      await page
        .getByRole('alert')
        .getByText('may be old', { exact: false })
        .waitFor({ timeout: 40_000 });
      await stage.bus.restart();
      stage.fill([
        { ...present[5]!, state: 'JOB_STATE_ACTIVE', operation: 'reading' },
        { jobId: 2_100n, policy: 'while-away' },
      ]);
      await context.setOffline(false);
      await rowOf(page, 1_006n).getByText('Reading').waitFor({ timeout: 40_000 });
      await rowOf(page, 2_100n).waitFor();
      await page.getByRole('alert').waitFor({ state: 'detached' });
      stage.fill([{ ...present[5]! }]);
      await stage.remove(2_100n);
    },
    PATIENCE_MS,
  );

  test(
    'pictures of a busy night, light and dark',
    async () => {
      await stage.say(1_001n, 'started process bpbrm (5120)', { producer: 'nbjm' });
      await stage.say(1_001n, 'mounting A00012', { producer: 'ltid' });
      await stage.say(1_001n, 'connected to filer-zurich.example.org as NDMP version 4', {
        producer: 'ndmpagent',
      });
      await stage.say(1_001n, 'DUMP: 14 files could not be read', {
        ...{ producer: 'ndmpagent', severity: 'warning' },
      });
      await stage.say(1_001n, 'begin writing', { producer: 'bptm' });
      const failed = { status: 84, statusText: 'writing to the media failed', mediaId: 'A00011' };
      stage.addTry(1_001n, {
        try: 1,
        startedMs: 1n,
        endedMs: 424_001n,
        drive: 'drive3',
        ...failed,
      });
      stage.addTry(1_001n, { try: 2, startedMs: 1n, mediaId: 'A00012', drive: 'drive0' });
      for (const scheme of ['light', 'dark'] as const) {
        const { page, faults } = await visit('/activity', { colorScheme: scheme });
        await logIn(page);
        await stage.keepBeating();
        await runFor(stage, present, 8);
        await page.getByText('19 daemons up', { exact: true }).waitFor();
        await shoot(page, `activity-${scheme}`);
        await page.setViewportSize({ width: 1440, height: 1180 });
        await page.goto(`${stage.url}/activity/1001`);
        await page.getByRole('img', { name: /Process flow/ }).waitFor();
        await runFor(stage, present, 3);
        await page.getByText('19 daemons up', { exact: true }).waitFor();
        await shoot(page, scheme === 'light' ? 'job' : 'job-dark');
        expect(faults).toEqual([]);
      }
    },
    PATIENCE_MS,
  );

  test(
    'pictures of the other views, on a desk and on a phone',
    async () => {
      await stage.playDevices();
      const phone = { viewport: { width: 390, height: 844 } };
      const { page, faults } = await visit('/devices');
      await page.getByRole('button', { name: 'Log in' }).waitFor();
      await shoot(page, 'login');
      await logIn(page);
      await stage.keepBeating();
      await page
        .getByRole('row', { name: /drive0/ })
        .getByRole('link', { name: 'job 1001' })
        .waitFor();
      await page.getByText('drive2 is not given out', { exact: false }).waitFor();
      await shoot(page, 'devices');
      await page.getByRole('link', { name: 'System' }).click();
      await page.getByRole('row', { name: /nbjm/ }).getByText('Up, leads').waitFor();
      await shoot(page, 'system');
      await page.goto(`${stage.url}/activity/993?state=failed,partial`);
      await page.getByRole('complementary', { name: 'Job 993' }).waitFor();
      await page.getByRole('row').getByText('Done 1, partly').first().waitFor();
      await shoot(page, 'activity-filtered');
      await page.goto(`${stage.url}/activity/992`);
      await page.getByRole('img', { name: /Stopped about step 8/ }).waitFor();
      await shoot(page, 'job-failed');
      await page.goto(`${stage.url}/activity?q=no+such+job`);
      await page.getByRole('heading', { name: 'No job is like that' }).waitFor();
      await shoot(page, 'activity-none');
      await page.goto(`${stage.url}/elsewhere`);
      await page.getByRole('heading', { name: 'There is nothing at this address' }).waitFor();
      expect(faults).toEqual([]);
      const small = await visit('/activity', phone);
      await logIn(small.page);
      await rowOf(small.page, 1_006n).or(small.page.getByText('Queued').first()).first().waitFor();
      await shoot(small.page, 'phone');
      await small.page.goto(`${stage.url}/activity/1001`);
      await small.page.getByRole('img', { name: /Process flow/ }).waitFor();
      await shoot(small.page, 'phone-job');
      const wide = await small.page.evaluate(() => document.documentElement.scrollWidth);
      expect(wide).toBeLessThanOrEqual(390);
    },
    PATIENCE_MS,
  );

  test('a long list is walked to its end with few rows in the page, while jobs go on changing', async () => {
    stage.empty();
    stage.fill(pastJobs(ROWS, nowMs));
    const { page } = await visit('/activity');
    await logIn(page);
    await rowOf(page, BigInt(ROWS)).waitFor();
    let going = true;
    const noise = (async () => {
      for (let bytes = 1n; going; bytes += 1n) {
        await stage.put({ jobId: BigInt(ROWS) - (bytes % 400n), bytes });
        await new Promise((resolve) => setTimeout(resolve, 6));
      }
    })();
    const grid = page.getByRole('grid', { name: 'Jobs' });
    // −1 while older ones are still to come.
    while ((await grid.getAttribute('aria-rowcount')) === '-1') await page.keyboard.press('End');
    await page.keyboard.press('End');
    await rowOf(page, 1n).waitFor();
    going = false;
    await noise;
    expect(await page.getByRole('row').count()).toBeLessThan(80);
    await page.keyboard.press('Home');
    await rowOf(page, BigInt(ROWS)).waitFor();
  }, 300_000);

  test(
    'no job at all, and then the first one',
    async () => {
      stage.empty();
      const { page, faults } = await visit('/activity');
      await logIn(page);
      await page.getByRole('heading', { name: 'No job has run yet' }).waitFor();
      await shoot(page, 'activity-empty');
      await stage.put({ jobId: 1n, policy: 'first', state: 'JOB_STATE_QUEUED' });
      await rowOf(page, 1n).getByText('Queued').waitFor();
      await page
        .getByRole('heading', { name: 'No job has run yet' })
        .waitFor({ state: 'detached' });
      await shoot(page, 'activity-one');
      expect(faults).toEqual([]);
    },
    PATIENCE_MS,
  );
});

/** Progress of the jobs that write, so that speeds can be seen. */
async function runFor(stage: Stage, present: readonly SceneJob[], seconds: number): Promise<void> {
  for (let i = 0; i < seconds * 2; i += 1) {
    for (const [index, job] of present.slice(0, 2).entries()) {
      const step = BigInt(Math.round((90 + 40 * Math.sin(i / 3 + index)) * 1e6 * (index + 1)));
      (job as { bytes: bigint }).bytes = BigInt(job.bytes!) + step;
      await stage.put(job);
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
