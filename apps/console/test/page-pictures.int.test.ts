// Pictures of every view, left to be looked at: of a busy night that goes on while they are taken.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { photographer } from './built-page.ts';
import { inBrowser, logIn, PATIENCE_MS, rowOf } from './page-kit.ts';
import type { SceneJob } from './scene.ts';
import type { Stage } from './stage.ts';

/** Of a line of speed, so that it looks like one. */
const POINTS_MIN = 8;

inBrowser((theatre) => {
  const shoot = photographer();
  let night: { stop(): Promise<void> } | undefined;

  beforeAll(async () => {
    await tellOf1001(theatre.stage);
    night = keepWriting(theatre.stage, theatre.present.slice(0, 2));
  });

  afterAll(() => night?.stop());

  test(
    'pictures of the other views, on a desk and on a phone',
    async () => {
      const phone = { viewport: { width: 390, height: 844 } };
      const { page, faults } = await theatre.visit('/system');
      await page.getByRole('button', { name: 'Log in' }).waitFor();
      await shoot(page, 'login');
      await logIn(page);
      await theatre.stage.keepBeating();
      await page.getByRole('row', { name: /nbjm/ }).getByText('Up, leads').waitFor();
      await shoot(page, 'system');
      await page.goto(`${theatre.stage.url}/activity/993?state=failed,partial`);
      await page.getByRole('complementary', { name: 'Job 993' }).waitFor();
      await page.getByRole('row').getByText('Done 1, partly').first().waitFor();
      await shoot(page, 'activity-filtered');
      await page.goto(`${theatre.stage.url}/activity/992`);
      await page.getByRole('img', { name: /Stopped about step 8/ }).waitFor();
      await shoot(page, 'job-failed');
      await page.goto(`${theatre.stage.url}/activity?q=no+such+job`);
      await page.getByRole('heading', { name: 'No job is like that' }).waitFor();
      await shoot(page, 'activity-none');
      await page.goto(`${theatre.stage.url}/elsewhere`);
      await page.getByRole('heading', { name: 'There is nothing at this address' }).waitFor();
      expect(faults).toEqual([]);
      const small = await theatre.visit('/activity', phone);
      await logIn(small.page);
      await rowOf(small.page, 1_006n).or(small.page.getByText('Queued').first()).first().waitFor();
      await shoot(small.page, 'phone');
      await small.page.goto(`${theatre.stage.url}/activity/1001`);
      await small.page.getByRole('img', { name: /Process flow/ }).waitFor();
      await shoot(small.page, 'phone-job');
      const wide = await small.page.evaluate(() => document.documentElement.scrollWidth);
      expect(wide).toBeLessThanOrEqual(390);
    },
    PATIENCE_MS,
  );

  test(
    'pictures of a busy night, light and dark',
    async () => {
      for (const scheme of ['light', 'dark'] as const) {
        const { page, faults } = await theatre.visit('/activity', { colorScheme: scheme });
        await logIn(page);
        await theatre.stage.keepBeating();
        await page.waitForFunction(speedsAreDrawn, POINTS_MIN);
        await page.getByText('19 daemons up', { exact: true }).waitFor();
        await shoot(page, `activity-${scheme}`);
        await page.setViewportSize({ width: 1440, height: 1180 });
        await page.goto(`${theatre.stage.url}/activity/1001`);
        await page.getByRole('img', { name: /Process flow/ }).waitFor();
        await page.locator('.speed-chart canvas').waitFor();
        await page.getByText('19 daemons up', { exact: true }).waitFor();
        await shoot(page, scheme === 'light' ? 'job' : 'job-dark');
        expect(faults).toEqual([]);
      }
    },
    PATIENCE_MS,
  );
});

async function tellOf1001(stage: Stage): Promise<void> {
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
}

/** Lets these jobs go on until stopped, so that speeds can be seen. */
function keepWriting(stage: Stage, jobs: readonly SceneJob[]): { stop(): Promise<void> } {
  let going = true;
  const bytes = jobs.map((job) => Number(job.bytes));
  const write = async (): Promise<void> => {
    for (let lastMs = performance.now(); going; ) {
      await sleep(500);
      const nowMs = performance.now();
      for (const [index, { jobId }] of jobs.entries()) {
        const bytesPerMs = (180_000 + 80_000 * Math.sin(nowMs / 1_500 + index)) * (index + 1);
        bytes[index] = bytes[index]! + Math.round(bytesPerMs * (nowMs - lastMs));
        await stage.put({ jobId, bytes: BigInt(bytes[index]!) });
      }
      lastMs = nowMs;
    }
  };
  const writing = write();
  return {
    stop: () => {
      going = false;
      return writing;
    },
  };
}

/** In the page: both jobs that write have a line of speed with so many points. */
function speedsAreDrawn(pointsMin: number): boolean {
  const lines = [...document.querySelectorAll('.sparkline polyline')];
  const counts = lines.map((line) => line.getAttribute('points')?.split(' ').length ?? 0);
  return counts.filter((count) => count >= pointsMin).length === 2;
}
