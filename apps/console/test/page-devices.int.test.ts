// The devices drawn: what stands where, the arm at work, who waits; and pictures of it to be looked at.

import { expect, test } from 'vitest';
import { photographer } from './built-page.ts';
import { busyScene, DRIVE_AT, largeScene, SLOT_AT, smallScene, volumeAt } from './device-scenes.ts';
import type { DeviceScene, DeviceStage } from './device-stage.ts';
import { inBrowser, logIn, PATIENCE_MS } from './page-kit.ts';

inBrowser((theatre) => {
  const shoot = photographer();
  let played: DeviceStage | undefined;

  async function play(scene: DeviceScene): Promise<DeviceStage> {
    played ??= await theatre.stage.playDevices(scene);
    played.hideRobot(false);
    played.change(scene);
    return played;
  }

  const place = (name: RegExp | string) => ({ name, exact: typeof name === 'string' });

  test(
    'a robot is seen at work: it fetches, carries, and puts down',
    async () => {
      const stage = await play(smallScene(theatre.nowMs));
      const { page, faults } = await theatre.visit('/devices');
      await logIn(page);
      await theatre.stage.keepBeating();
      const library = page.getByRole('listbox', { name: /^Robot 0/ });
      await library.getByRole('option', place('Slot 1: A00001, active')).waitFor();
      expect(await library.getByRole('option').count()).toBe(11);
      await page.getByText('19 daemons up', { exact: true }).waitFor();
      await shoot(page, 'devices-small');
      const region = page.getByRole('region', { name: 'Robot 0' });
      await region.getByText('6 of 8 slots full').waitFor();
      await region.getByText('The arm rests').waitFor();

      await stage.begin(SLOT_AT, DRIVE_AT);
      await region.getByText('Moves A00001 from slot 1 to drive drive0').waitFor();
      await page.locator('.arm .cartridge').waitFor();
      await page.waitForTimeout(450);
      await shoot(page, 'devices-moving');
      await stage.end(SLOT_AT, DRIVE_AT);
      await library.getByRole('option', { name: /^Drive drive0: A00001, active/ }).waitFor();
      await library.getByRole('option', place('Slot 1: empty')).waitFor();

      await stage.begin(SLOT_AT + 1, DRIVE_AT + 1);
      await stage.end(SLOT_AT + 1, DRIVE_AT + 1, 'failed');
      await region.getByText('Could not move A00002 from slot 2 to drive drive1').waitFor();
      await library.getByRole('option', place('Slot 2: A00002, full')).waitFor();
      expect(faults).toEqual([]);
    },
    PATIENCE_MS,
  );

  test(
    'a page that is opened while the arm is on its way shows it there',
    async () => {
      const stage = await play(smallScene(theatre.nowMs));
      await stage.begin(SLOT_AT + 2, DRIVE_AT);
      const { page } = await theatre.visit('/devices');
      await logIn(page);
      const region = page.getByRole('region', { name: 'Robot 0' });
      await region.getByText('Moves A00003 from slot 3 to drive drive0').waitFor();
      await stage.end(SLOT_AT + 2, DRIVE_AT);
      await region.getByText('The arm rests').waitFor();
    },
    PATIENCE_MS,
  );

  test(
    'states, the queue with its reasons, disks, and drives outside of robots',
    async () => {
      await play(busyScene(theatre.nowMs));
      for (const scheme of ['light', 'dark'] as const) {
        const options = { colorScheme: scheme, viewport: { width: 1440, height: 1500 } };
        const { page, faults } = await theatre.visit('/devices', options);
        await logIn(page);
        const library = page.getByRole('listbox', { name: /^Robot 0/ });
        for (const name of [
          /^Drive drive0: A00003, active, Job 1001/,
          /^Drive drive2: empty, Unknown/,
          /^Drive drive3: empty, Down/,
          /^Drive drive4: empty, Cleaning/,
          /^Slot 14: A00014, frozen/,
          /^Slot 40: empty, A00045 is missing/,
          /^Mail slot 1: NEW017L8, not on record/,
        ]) {
          await library.getByRole('option', { name }).waitFor();
        }
        await page.getByText('drive2 is not given out', { exact: false }).waitFor();
        const waiting = page.getByRole('row', { name: /nightly-projects/ });
        await waiting.getByRole('link', { name: 'job 1001' }).waitFor();
        const disk = page.getByRole('article', { name: 'media1-disk' });
        await disk.getByText('93 % full').waitFor();
        await disk.getByText('Takes no backup').waitFor();
        const filer = page.getByRole('listbox', { name: 'Standalone drives of filer-zurich' });
        await filer.getByRole('option', { name: /^Drive filertape0/ }).waitFor();
        await library.getByRole('option', { name: /^Slot 14:/ }).click();
        const facts = page.getByRole('complementary', { name: 'Chosen place' }).first();
        await facts.getByText('bpmedia -unfreeze -m A00014').waitFor();
        await shoot(page, scheme === 'light' ? 'devices' : 'devices-dark');
        expect(faults).toEqual([]);
      }
    },
    PATIENCE_MS,
  );

  test(
    'keys go from place to place, and a drive is set down from there',
    async () => {
      const stage = await play(smallScene(theatre.nowMs));
      const { page, faults } = await theatre.visit('/devices');
      await logIn(page);
      const library = page.getByRole('listbox', { name: /^Robot 0/ });
      await library.focus();
      const chosen = library.getByRole('option', { selected: true });
      await chosen.and(library.getByRole('option', { name: /^Drive drive0/ })).waitFor();
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('ArrowRight');
      await chosen.and(library.getByRole('option', { name: /^Slot 2:/ })).waitFor();
      expect(new URL(page.url()).searchParams.get('at')).toBe(`0/${SLOT_AT + 1}`);
      await page.keyboard.press('Home');
      await chosen.and(library.getByRole('option', { name: /^Drive drive0/ })).waitFor();
      await page.getByRole('button', { name: 'Set down…' }).click();
      const dialog = page.getByRole('dialog', { name: 'Set drive0 down?' });
      await dialog.getByText('vmoprcmd -downbyname drive0').waitFor();
      await dialog.getByRole('button', { name: 'Set it down' }).click();
      await library.getByRole('option', { name: /^Drive drive0: empty, Down/ }).waitFor();
      expect(stage.nbemm.requests('SetDriveState')).toEqual([
        { name: 'drive0', up: false, reason: 'set down by operator' },
      ]);
      await page.getByRole('button', { name: 'Set up…' }).waitFor();
      expect(faults).toEqual([]);
    },
    PATIENCE_MS,
  );

  test(
    'a thousand slots and fifty thousand volumes: found by name and state, a page at a time',
    async () => {
      await play(largeScene(theatre.nowMs, 1_000, 50_000));
      const { page, faults } = await theatre.visit('/devices', {
        viewport: { width: 1440, height: 1100 },
      });
      await logIn(page);
      const library = page.getByRole('listbox', { name: /^Robot 0/ });
      await library.getByRole('option', { name: 'Slot 1000: empty' }).waitFor();
      await shoot(page, 'devices-1000');
      await page.getByText('100 of 49 930 volumes'.replace(' 930', '\u202f930')).waitFor();
      await page.getByRole('button', { name: 'Show 100 more' }).click();
      await page.getByText('200 of', { exact: false }).waitFor();

      await page.keyboard.press('/');
      await page.keyboard.type('a0044');
      await page.waitForURL(/q=a0044/);
      await page.getByText('10 of 10 volumes').waitFor();
      await page.getByRole('button', { name: 'Show A00441 in robot 0' }).click();
      const chosen = library.getByRole('option', { selected: true });
      await chosen.and(library.getByRole('option', { name: /^Slot 441: A00441/ })).waitFor();
      await page.getByRole('button', { name: /^Frozen 1/ }).waitFor({ state: 'detached' });
      await page.getByRole('searchbox', { name: 'Find volumes' }).fill('');
      await page.getByRole('button', { name: /^Frozen/ }).click();
      await page.waitForURL(/state=frozen/);
      await page.getByRole('row', { name: /A00014 Frozen/ }).waitFor();
      await shoot(page, 'devices-1000-frozen');
      expect(faults).toEqual([]);
    },
    PATIENCE_MS,
  );

  test(
    'a robot that does not answer is drawn from the records, on a phone too',
    async () => {
      const stage = await play({ ...smallScene(theatre.nowMs), drives: [] });
      await play(busyScene(theatre.nowMs));
      const phone = { viewport: { width: 390, height: 844 } };
      const { page } = await theatre.visit('/devices', phone);
      await logIn(page);
      await page.getByRole('option', { name: /^Slot 14:/ }).waitFor();
      await shoot(page, 'devices-phone');
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(wide).toBeLessThanOrEqual(390);
      stage.hideRobot(true);
      await page.reload();
      await page.getByText('Drawn as the records have it', { exact: false }).waitFor();
      await page.getByRole('option', { name: /^Slot 14: A00014, frozen/ }).waitFor();
      await shoot(page, 'devices-phone-records');
    },
    PATIENCE_MS,
  );

  test(
    'no device at all',
    async () => {
      await play({ drives: [], elements: [], volumes: [volumeAt(0, theatre.nowMs)] });
      const { page } = await theatre.visit('/devices');
      await logIn(page);
      await page.getByText('Robot 0', { exact: true }).waitFor();
      await shoot(page, 'devices-none');
    },
    PATIENCE_MS,
  );
});
