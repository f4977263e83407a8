// Media and devices through every daemon: labels by command, and what drives complain about. Each ends in the status and the
// state of volume and drive that an administrator expects, and nothing stays held.

import { join } from 'node:path';
import type { Init, LabelSpec } from '@tapestry/contracts';
import { openVirtualLibrary, type VirtualLibrary } from '@tapestry/storage';
import { eventually } from '@tapestry/testkit';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type JobRow, type Site, startSite, writeNoise } from './site.ts';

const MINUTES = 180_000;
const FROZEN = 1;

let site: Site;

beforeAll(async () => {
  const env = {
    ...{ nbpem: { NBPEM_TRIES_MAX: '1' } },
    ltid: { LTID_UNMOUNT_DELAY_MS: '0', LTID_LOOK_EVERY_MS: '500', LTID_RETRY_PAUSE_MS: '50' },
  };
  site = await startSite({ drives: 1, filerHasDrive: false, env });
  writeNoise(join(site.source, 'file'), 3_000_000);
});

afterAll(() => site?.stop());

afterEach(async () => {
  await inLibrary((library) => library.clearFaults());
  await site.nothingHeld();
  await site.bus.client('nbemm').SetDriveState({ name: 'drive1', up: true, reason: '' });
});

async function inLibrary<T>(work: (library: VirtualLibrary) => Promise<T>): Promise<T> {
  const library = await openVirtualLibrary(join(site.dir, 'library'));
  try {
    return await work(library);
  } finally {
    await library.close();
  }
}

async function label(mediaId: string, more: Init<LabelSpec> = {}, erase = false): Promise<JobRow> {
  const { jobId } = await site.bus.client('bprd').SubmitLabel({
    ...{ requestId: `test-${Math.random()}`, requester: { user: 'test', host: 'test' }, erase },
    label: { mediaId, density: 'hcart', ...more },
  });
  return site.ended(jobId);
}

async function volumeRow(mediaId: string) {
  const { volumes } = await site.bus.client('nbemm').ListVolumes({ mediaId });
  return volumes[0]!;
}

async function driveRow() {
  const { drives } = await site.bus.client('nbemm').GetDevices({});
  return drives[0]!;
}

test(
  'a volume is labelled by command, erased, and then takes a backup; after that it is refused',
  async () => {
    const labelled = await label('TAP001');
    expect([labelled.status, labelled.type], await site.details(labelled.jobId)).toEqual([
      ...[0, 'JOB_TYPE_LABEL'],
    ]);
    expect(await site.details(labelled.jobId)).toMatch(/label written over a blank tape/);
    const erased = await label('TAP001', { longErase: true }, true);
    expect(await site.details(erased.jobId)).toMatch(
      /erased, and label written over the label TAP001/,
    );
    expect(erased.status).toBe(0);
    const backup = await site.ended(await site.backup());
    expect(backup.status, await site.details(backup.jobId)).toBe(0);
    await expect(label(backup.mediaId)).rejects.toMatchObject({ status: 'cannotOverwriteMedia' });
  },
  MINUTES,
);

test(
  'a drive that raises TapeAlert flags is taken down, its volume frozen, and the job is well',
  async () => {
    await inLibrary(async (library) => {
      for (const flag of [5, 30]) await library.raiseTapeAlert(0, flag);
    });
    const row = await site.ended(await site.backup());
    expect(row.status, await site.details(row.jobId)).toBe(0);
    expect(await site.details(row.jobId)).toMatch(/the drive raised TapeAlert 5, 30/);
    await eventually('drive and volume are judged', async () => {
      const { driveUp, reason } = await driveRow();
      const { statusBits } = await volumeRow(row.mediaId);
      return !driveUp && /TapeAlert 5, 30/.test(reason) && (statusBits & FROZEN) !== 0;
    });
  },
  MINUTES,
);

test(
  'a write error ends the job with 84 and freezes the volume that the drive condemns; the next job takes another',
  async () => {
    await inLibrary((library) =>
      library.addFault({ place: 'drive 0', kind: 'writeFails', after: 3, times: 1 }),
    );
    const row = await site.ended(await site.backup());
    expect(row.status, await site.details(row.jobId)).toBe(84);
    await eventually('the volume is frozen', async () => {
      const { statusBits, errors } = await volumeRow(row.mediaId);
      return (statusBits & FROZEN) !== 0 && errors > 0;
    });
    expect(await driveRow()).toMatchObject({ driveUp: true });
    const next = await site.ended(await site.backup());
    expect(next.status, await site.details(next.jobId)).toBe(0);
    expect(next.mediaId).not.toBe(row.mediaId);
  },
  MINUTES,
);

test(
  'a robot that stays jammed is 2020, and neither volume nor drive is blamed',
  async () => {
    await inLibrary((library) => library.addFault({ place: 'robot', kind: 'jam' }));
    const row = await site.ended(await site.backup());
    expect(row.status, await site.details(row.jobId)).toBe(2020);
    expect(await driveRow()).toMatchObject({ driveUp: true });
    expect((await volumeRow(row.mediaId)).statusBits & FROZEN).toBe(0);
    await inLibrary((library) => library.clearFaults());
    const next = await site.ended(await site.backup());
    expect(next.status, await site.details(next.jobId)).toBe(0);
  },
  MINUTES,
);
