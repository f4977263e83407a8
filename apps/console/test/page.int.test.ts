// What a person does with the page, from logging in to a cancel, and what the page does when the stream is lost.

import { expect, test } from 'vitest';
import { inBrowser, logIn, PATIENCE_MS, rowOf } from './page-kit.ts';
import type { SceneJob } from './scene.ts';
import { USER } from './stage.ts';

const GB = 1_000_000_000n;

inBrowser((theatre) => {
  test(
    'a wrong password says so; the right one leads to where one wanted to go',
    async () => {
      const { page, faults } = await theatre.visit('/activity?state=failed');
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
      const { page, faults } = await theatre.visit('/');
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
      await theatre.stage.put({
        ...job,
        state: 'JOB_STATE_QUEUED',
        flowStep: 3,
        submittedMs: BigInt(Date.now()),
      });
      const row = rowOf(page, 2_000n);
      await row.getByText('Queued').waitFor();
      await theatre.stage.put({ ...job, stateDetails: 'all drives are in use' });
      await row.getByText('Waiting').waitFor();
      await theatre.stage.put({
        ...job,
        state: 'JOB_STATE_ACTIVE',
        stateDetails: '',
        operation: 'mounting',
        flowStep: 6,
        startedMs: BigInt(Date.now()),
      });
      await row.getByText('Mounting').waitFor();
      await theatre.stage.put({
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
      await theatre.stage.say(2_000n, 'begin writing backup id nas-fra-01_1767', {
        producer: 'bptm',
      });
      await panel.getByRole('log').getByText('begin writing backup id nas-fra-01_1767').waitFor();

      theatre.stage.addTry(2_000n, {
        try: 1,
        status: 0,
        statusText: '',
        startedMs: 1n,
        endedMs: 61_001n,
        mediaServer: 'media1',
      });
      await theatre.stage.put({
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
      const { page, faults } = await theatre.visit('/activity/1001');
      await logIn(page);
      const panel = page.getByRole('complementary', { name: 'Job 1001' });
      await panel.getByRole('button', { name: 'Cancel…' }).click();
      const dialog = page.getByRole('dialog', { name: 'Cancel job 1001?' });
      await dialog.getByText('bpdbjobs -cancel -jobid 1001').waitFor();
      await dialog.getByRole('button', { name: 'Keep it running' }).click();
      await dialog.waitFor({ state: 'detached' });
      expect(theatre.stage.nbjm.requests('CancelJob')).toEqual([]);
      await panel.getByRole('button', { name: 'Cancel…' }).click();
      await dialog.getByRole('button', { name: 'Cancel the job' }).click();
      const request = await theatre.stage.nbjm.waitFor('CancelJob');
      expect(request).toEqual({ jobId: 1_001n, requester: USER });
      await theatre.stage.put({ ...theatre.present[0]!, cancelling: true });
      await panel.getByText('Cancelling').waitFor();
      await theatre.stage.put({ ...theatre.present[0]!, cancelling: false });
      expect(faults).toEqual([]);
    },
    PATIENCE_MS,
  );

  test(
    'everything can be reached by keys',
    async () => {
      const { page } = await theatre.visit('/activity');
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
      const { page, context } = await theatre.visit('/activity');
      await logIn(page);
      await rowOf(page, 1_006n).getByText('Queued').waitFor();
      await context.setOffline(true);
      await theatre.stage.bus.kill();
      await page
        .getByRole('alert')
        .getByText('may be old', { exact: false })
        .waitFor({ timeout: 40_000 });
      await theatre.stage.bus.restart();
      theatre.stage.fill([
        { ...theatre.present[5]!, state: 'JOB_STATE_ACTIVE', operation: 'reading' },
        { jobId: 2_100n, policy: 'while-away' },
      ]);
      await context.setOffline(false);
      await rowOf(page, 1_006n).getByText('Reading').waitFor({ timeout: 40_000 });
      await rowOf(page, 2_100n).waitFor();
      await page.getByRole('alert').waitFor({ state: 'detached' });
      theatre.stage.fill([{ ...theatre.present[5]! }]);
      await theatre.stage.remove(2_100n);
    },
    PATIENCE_MS,
  );
});
