// The list of jobs at its longest and at its shortest.

import { expect, test } from 'vitest';
import { photographer } from './built-page.ts';
import { inBrowser, logIn, PATIENCE_MS, rowOf } from './page-kit.ts';
import { pastJobs } from './scene.ts';

/** ROWS=100000 walks as far as the page promises; it takes a minute. */
const ROWS = Number(process.env.ROWS ?? 10_000);

inBrowser((theatre) => {
  const shoot = photographer();

  test('a long list is walked to its end with few rows in the page, while jobs go on changing', async () => {
    theatre.stage.empty();
    theatre.stage.fill(pastJobs(ROWS, theatre.nowMs));
    const { page } = await theatre.visit('/activity');
    await logIn(page);
    await rowOf(page, BigInt(ROWS)).waitFor();
    let going = true;
    const noise = (async () => {
      for (let bytes = 1n; going; bytes += 1n) {
        await theatre.stage.put({ jobId: BigInt(ROWS) - (bytes % 400n), bytes });
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
      theatre.stage.empty();
      const { page, faults } = await theatre.visit('/activity');
      await logIn(page);
      await page.getByRole('heading', { name: 'No job has run yet' }).waitFor();
      await shoot(page, 'activity-empty');
      await theatre.stage.put({ jobId: 1n, policy: 'first', state: 'JOB_STATE_QUEUED' });
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
