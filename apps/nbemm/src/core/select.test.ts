import type { DriveSpec, ResourceRequest, StorageUnit, VolumeSpec } from '@tapestry/contracts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Drive, type Inventory, MEDIA_BIT, type Volume } from './inventory.ts';
import { select } from './select.ts';

function drive(
  name: string,
  more: Partial<DriveSpec> & { up?: boolean; lastUsedMs?: number } = {},
): Drive {
  const { up = true, lastUsedMs = 0, ...spec } = more;
  return {
    spec: {
      ...{ name, index: Number(name.slice(1)), density: 'hcart', mediaServer: 'media1' },
      ...{ path: `vtl:/lib#${name}`, robotNumber: 0, robotDrive: 1, ndmpHost: '', ...spec },
    },
    ...{ up, lastUsedMs, reason: up ? '' : 'broken' },
  };
}

function volume(
  mediaId: string,
  more: Partial<VolumeSpec> & Partial<Omit<Volume, 'spec'>> = {},
): Volume {
  const {
    statusBits = 0,
    mounts = 0,
    maxMounts = 0,
    lastUsedMs = 0,
    mountedDrive = '',
    version = 1n,
    ...spec
  } = more;
  return {
    spec: {
      ...{ mediaId, barcode: `${mediaId}L8`, density: 'hcart', robotNumber: 0, slot: 1 },
      ...{ pool: 'NetBackup', assignedMs: 0n, retentionLevel: 0, append: null, ...spec },
    },
    ...{ statusBits, mounts, maxMounts, lastUsedMs, mountedDrive, version },
  };
}

function unit(label: string, more: Partial<StorageUnit> = {}): StorageUnit {
  return {
    ...{ label, type: 'Media Manager', mediaServer: 'media1', density: 'hcart', robotNumber: 0 },
    ...{ robotType: 'tld', maxDrives: 1, maxFragmentMb: 100n, onDemandOnly: false },
    ...{ ndmpHost: '', maxMpx: 1, path: '', highWaterMark: 0, lowWaterMark: 0, diskType: '' },
    ...more,
  };
}

function inventory(more: Partial<Inventory>): Inventory {
  return {
    units: [unit('unit1')],
    mediaServers: [{ name: 'media1', active: true }],
    robots: [],
    drives: [drive('d0')],
    pools: [
      { number: 1, name: 'NetBackup', scratch: false },
      { number: 4, name: 'Weekly', scratch: false },
      { number: 5, name: 'Spare', scratch: true },
    ],
    volumes: [volume('A00001')],
    blockSizeBytes: 262_144,
    ...more,
  };
}

function need(more: Partial<ResourceRequest> = {}): ResourceRequest {
  return {
    attempt: { jobId: 1n, try: 1, step: 0 },
    ...{ priority: 0, mode: 'DRIVE_MODE_WRITE', storageUnit: 'unit1', pool: '', retentionLevel: 1 },
    ...{ mediaId: '', counters: [], client: 'filer1', policy: 'p', requestedMs: 0n },
    avoidMediaIds: [],
    ...more,
  };
}

const begun = { assignedMs: 5n, retentionLevel: 1 };

function media(held: Inventory, more: Partial<ResourceRequest> = {}): string[] {
  return select(held, need(more)).candidates.map((each) => each.volume?.mediaId ?? '');
}

test('mounted and suitable first, then begun, then unused of the pool, then scratch', () => {
  const volumes = [
    volume('SCRAT1', { pool: 'Spare' }),
    volume('FREE01'),
    volume('BEGUN1', begun),
    volume('MOUNT1', { ...begun, mountedDrive: 'd0' }),
  ];
  expect(media(inventory({ volumes }))).toEqual(['MOUNT1', 'BEGUN1', 'FREE01', 'SCRAT1']);
  const choice = select(inventory({ volumes }), need());
  expect(choice.candidates.map((each) => each.needsAssign)).toEqual([false, false, true, true]);
  expect(choice.candidates[0]).toMatchObject({
    ...{ mounted: true, maxFragmentBytes: 100n * 1_048_576n, maxDrives: 1, volumeVersion: 1n },
  });
});

test('equals in the order of their last use, and media that failed last of all', () => {
  const volumes = [
    volume('A00001', { ...begun, lastUsedMs: 9 }),
    volume('A00002', { ...begun, lastUsedMs: 3 }),
    volume('A00003', begun),
  ];
  expect(media(inventory({ volumes }), { avoidMediaIds: ['A00003'] })).toEqual([
    'A00002',
    'A00001',
    'A00003',
  ]);
});

test.each([
  ['FROZEN', { statusBits: MEDIA_BIT.frozen }],
  ['SUSPENDED', { statusBits: MEDIA_BIT.suspended }],
  ['FULL', { statusBits: MEDIA_BIT.full }],
  ['IMPORTED', { statusBits: MEDIA_BIT.imported }],
  ['retention level 2', { ...begun, retentionLevel: 2 }],
  ['not in a robot', { slot: 0 }],
  ['in robot 3', { robotNumber: 3 }],
  ['at its 5 mounts', { mounts: 5, maxMounts: 5 }],
])('a volume that is %s is passed over with its reason', (words, more) => {
  const choice = select(inventory({ volumes: [volume('A00001', more)] }), need());
  expect(choice.refusal).toMatchObject({ code: 96 });
  expect(choice.reasons.join()).toContain(words);
});

test('several retention levels are allowed where the volume says so', () => {
  const mixed = volume('A00001', {
    ...begun,
    retentionLevel: 2,
    statusBits: MEDIA_BIT.multiRetention,
  });
  expect(media(inventory({ volumes: [mixed] }))).toEqual(['A00001']);
});

test.each<[number, string, Partial<Inventory>, Partial<ResourceRequest>]>([
  [2104, 'no such storage unit', {}, { storageUnit: 'nowhere' }],
  [2104, 'no storage unit at all', { units: [] }, { storageUnit: '' }],
  [2104, 'all on demand only', { units: [unit('u', { onDemandOnly: true })] }, { storageUnit: '' }],
  [167, 'no such pool', {}, { pool: 'Nowhere' }],
  [96, 'no volume of the pool', {}, { pool: 'Weekly' }],
  [96, 'another density', { volumes: [volume('A00001', { density: 'dlt' })] }, {}],
  [2001, 'no drive', { drives: [] }, {}],
  [2008, 'all drives down', { drives: [drive('d0', { up: false })] }, {}],
  [2027, 'media server not active', { mediaServers: [{ name: 'media1', active: false }] }, {}],
  [2101, 'media server not known', { mediaServers: [] }, {}],
  [2007, 'unit of an NDMP host', { units: [unit('unit1', { ndmpHost: 'filer1' })] }, {}],
  [2031, 'read: no such media', {}, { mode: 'DRIVE_MODE_READ', mediaId: 'ZZZZZZ' }],
  [
    2033,
    'read: media in no robot',
    { volumes: [volume('A00001', { slot: 0 })] },
    { mode: 'DRIVE_MODE_READ', mediaId: 'A00001' },
  ],
])('refused with %i: %s', (code, _what, more, request) => {
  const choice = select(inventory(more), need(request));
  expect(choice.candidates).toEqual([]);
  expect(choice.refusal?.code).toBe(code);
});

test('a drive that is down is passed over while another is up', () => {
  const drives = [drive('d0', { up: false }), drive('d1')];
  const choice = select(inventory({ drives }), need());
  expect(choice.candidates.map((each) => each.drive?.name)).toEqual(['d1']);
});

test('the drive that holds the volume, then the least recently used one', () => {
  const drives = [
    drive('d0', { lastUsedMs: 1 }),
    drive('d1', { lastUsedMs: 9 }),
    drive('d2', { lastUsedMs: 5 }),
  ];
  const volumes = [volume('A00001', { ...begun, mountedDrive: 'd1' })];
  const choice = select(inventory({ drives, volumes }), need());
  expect(choice.candidates.map((each) => each.drive?.name)).toEqual(['d1', 'd0', 'd2']);
});

test('any available: units that cannot serve are passed over, on-demand ones never taken', () => {
  const units = [
    unit('a-down', { mediaServer: 'media2' }),
    unit('b-demand', { onDemandOnly: true }),
    unit('c-good'),
  ];
  const choice = select(inventory({ units }), need({ storageUnit: '' }));
  expect(choice.candidates.map((each) => each.storageUnit)).toEqual(['c-good']);
  expect(choice.reasons.join()).toContain('a-down');
});

test('a frozen volume may be read, on any server with a drive in its robot', () => {
  const volumes = [volume('A00001', { ...begun, statusBits: MEDIA_BIT.frozen })];
  const drives = [drive('d0'), drive('d1', { mediaServer: 'media2' })];
  const mediaServers = [
    { name: 'media1', active: false },
    { name: 'media2', active: true },
  ];
  const choice = select(
    inventory({ volumes, drives, mediaServers }),
    need({ mode: 'DRIVE_MODE_READ', mediaId: 'A00001' }),
  );
  expect(choice.candidates.map((each) => each.mediaServer)).toEqual(['media2']);
  expect(choice.candidates[0]?.needsAssign).toBe(false);
});

test('never a candidate that breaks a rule, and never neither candidates nor a refusal', () => {
  const anyVolume = fc.record({
    statusBits: fc.constantFrom(0, 0, 1, 2, 8, 0x80),
    slot: fc.constantFrom(0, 1, 2),
    pool: fc.constantFrom('NetBackup', 'Weekly', 'Spare'),
    assignedMs: fc.constantFrom(0n, 7n),
    retentionLevel: fc.constantFrom(1, 2),
  });
  fc.assert(
    fc.property(fc.array(anyVolume, { maxLength: 12 }), (list) => {
      const volumes = list.map((more, i) => volume(`V${String(i).padStart(5, '0')}`, more));
      const choice = select(inventory({ volumes }), need());
      expect(choice.candidates.length > 0).toBe(choice.refusal === undefined);
      for (const { volume: chosen, needsAssign } of choice.candidates) {
        const whole = volumes.find((each) => each.spec.mediaId === chosen?.mediaId);
        expect(whole?.statusBits).toBe(0);
        expect(whole?.spec.slot).toBeGreaterThan(0);
        expect(needsAssign).toBe(whole?.spec.assignedMs === 0n);
        if (!needsAssign)
          expect(whole?.spec).toMatchObject({ pool: 'NetBackup', retentionLevel: 1 });
        else expect(['NetBackup', 'Spare']).toContain(whole?.spec.pool);
      }
    }),
  );
});
