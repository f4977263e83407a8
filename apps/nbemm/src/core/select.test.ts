import type {
  DriveSpec,
  MdsOption,
  ResourceRequest,
  StorageUnit,
  VolumeSpec,
} from '@tapestry/contracts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Drive, type Inventory, MEDIA_BIT, type Volume } from './inventory.ts';
import { select as selectAt } from './select.ts';
import { VolumeIndex } from './volume-index.ts';

function drive(
  name: string,
  more: Partial<DriveSpec> & { up?: boolean; lastUsedMs?: number } = {},
): Drive {
  const { up = true, lastUsedMs = 0, ...spec } = more;
  return {
    spec: {
      ...{ name, index: Number(name.slice(1)), density: 'hcart', mediaServer: 'media1' },
      ...{
        path: `vtl:/lib#${name}`,
        robotNumber: 0,
        robotDrive: 1,
        ndmpHost: '',
        serial: '',
        ...spec,
      },
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
    expirationMs = 0,
    ...spec
  } = more;
  return {
    spec: {
      ...{ mediaId, barcode: `${mediaId}L8`, density: 'hcart', robotNumber: 0, slot: 1 },
      ...{ pool: 'NetBackup', assignedMs: 0n, retentionLevel: 0, append: null, ...spec },
    },
    ...{ statusBits, mounts, maxMounts, lastUsedMs, mountedDrive, version, expirationMs },
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

type Sample = Omit<Inventory, 'volumes'> & { volumes: Volume[] };

function inventory(more: Partial<Sample>): Sample {
  return {
    units: [unit('unit1')],
    mediaServers: [{ name: 'media1', active: true }],
    robots: [],
    drives: [drive('d0')],
    disks: new Map(),
    groups: [],
    pools: [
      { number: 1, name: 'NetBackup', scratch: false, maxPartiallyFull: 0 },
      { number: 4, name: 'Weekly', scratch: false, maxPartiallyFull: 0 },
      { number: 5, name: 'Spare', scratch: true, maxPartiallyFull: 0 },
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
    ...{ avoidMediaIds: [], more: [], maxMpx: 0, ndmp: false, disk: false, label: null },
    ...more,
  };
}

function select(
  held: Sample,
  wanted: ResourceRequest,
  facts: { nowMs?: number; inUseMediaIds?: string[]; nextInDrive?: string } = {},
) {
  const volumes = new VolumeIndex(held.volumes);
  return selectAt({ ...held, volumes }, wanted, { nowMs: 0, inUseMediaIds: [], ...facts });
}

function driveNames(choices: readonly MdsOption[]): string[] {
  return choices.flatMap(({ drives }) => drives.map(({ name }) => name));
}

const begun = { assignedMs: 5n, retentionLevel: 1 };

function media(held: Sample, more: Partial<ResourceRequest> = {}, inUseMediaIds: string[] = []) {
  const { choices } = select(held, need(more), { inUseMediaIds });
  return choices[0]?.volumes.map((each) => each.volume?.mediaId);
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
  const [option] = choice.choices;
  expect(option?.volumes.map((each) => each.needsAssign)).toEqual([false, false, true, true]);
  expect(option?.volumes[0]).toMatchObject({ mountedDrive: 'd0', version: 1n });
  expect(option).toMatchObject({ maxFragmentBytes: 100n * 1_048_576n, maxDrives: 1 });
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

test.each<[number, string, Partial<Sample>, Partial<ResourceRequest>]>([
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
  expect(choice.choices).toEqual([]);
  expect(choice.refusal?.code).toBe(code);
});

test('a drive that is down is passed over while another is up', () => {
  const drives = [drive('d0', { up: false }), drive('d1')];
  const choice = select(inventory({ drives }), need());
  expect(driveNames(choice.choices)).toEqual(['d1']);
});

test('drives in the order of their last use, shared ones last', () => {
  const drives = [
    drive('d0', { lastUsedMs: 1 }),
    drive('d1', { lastUsedMs: 9 }),
    drive('d2', { lastUsedMs: 5 }),
  ];
  expect(driveNames(select(inventory({ drives }), need()).choices)).toEqual(['d0', 'd2', 'd1']);
  const shared = [...drives, drive('d0', { mediaServer: 'media2' })];
  const choice = select(inventory({ drives: shared }), need());
  expect(driveNames(choice.choices)).toEqual(['d2', 'd1', 'd0']);
});

test('any available: units that cannot serve are passed over, on-demand ones never taken', () => {
  const units = [
    unit('a-down', { mediaServer: 'media2' }),
    unit('b-demand', { onDemandOnly: true }),
    unit('c-good'),
  ];
  const choice = select(inventory({ units }), need({ storageUnit: '' }));
  expect(choice.choices.map((each) => each.storageUnit)).toEqual(['c-good']);
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
  expect(choice.choices.map((each) => each.mediaServer)).toEqual(['media2']);
  expect(choice.choices[0]?.volumes[0]?.needsAssign).toBe(false);
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
      expect(choice.choices.length > 0).toBe(choice.refusal === null);
      for (const { volume: chosen, needsAssign } of choice.choices.flatMap((o) => o.volumes)) {
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

test('volumes in use come after the free ones, those that failed last', () => {
  const volumes = ['A00001', 'A00002', 'A00003', 'A00004'].map((id) => volume(id, begun));
  const list = media(inventory({ volumes }), { avoidMediaIds: ['A00001'] }, ['A00002']);
  expect(list).toEqual(['A00003', 'A00004', 'A00002', 'A00001']);
});

test('volumes that anybody may add to stand among the others by their last use', () => {
  const mixed = { ...begun, retentionLevel: 9, statusBits: MEDIA_BIT.multiRetention };
  const volumes = [
    volume('A00001', { ...begun, lastUsedMs: 1 }),
    volume('A00002', { ...mixed, lastUsedMs: 2 }),
    volume('A00003', { ...begun, lastUsedMs: 3 }),
  ];
  expect(media(inventory({ volumes }))).toEqual(['A00001', 'A00002', 'A00003']);
});

test('an expired volume and one too many begun are passed over', () => {
  const volumes = [volume('A00001', { expirationMs: 5 }), volume('A00002')];
  const expired = select(inventory({ volumes }), need(), { nowMs: 5 });
  expect(expired.choices[0]?.volumes.map((each) => each.volume?.mediaId)).toEqual(['A00002']);
  expect(expired.reasons).toContain('volume A00001: expired');
  const pools = [{ number: 1, name: 'NetBackup', scratch: false, maxPartiallyFull: 1 }];
  const full = inventory({ pools, volumes: [volume('A00001', begun), volume('A00002')] });
  expect(media(full)).toEqual(['A00001']);
});

test('many volumes of a kind are told of together', () => {
  const volumes = Array.from({ length: 9 }, (_, i) => volume(`F0000${i}`, { statusBits: 8 }));
  const { refusal, reasons } = select(inventory({ volumes }), need());
  expect(reasons).toEqual(['volumes F00000, F00001, F00002 and 6 more: FULL']);
  expect(refusal?.detail).toContain('6 more: FULL');
});

const units = [unit('a'), unit('b', { mediaServer: 'media2' })];
const both = {
  units,
  drives: [drive('d0'), drive('d1', { mediaServer: 'media2' })],
  mediaServers: ['media1', 'media2'].map((name) => ({ name, active: true })),
};

test.each([
  ['prioritized', 'MDS_SELECTION_IN_ORDER', ['b', 'a']],
  ['failover', 'MDS_SELECTION_IN_ORDER', ['b']],
  ['round_robin', 'MDS_SELECTION_ROUND_ROBIN', ['b', 'a']],
  ['load_balance', 'MDS_SELECTION_LOAD_BALANCE', ['b', 'a']],
])('a %s group', (selection, how, labels) => {
  const groups = [{ name: 'g', selection, units: ['b', 'a'] }];
  const choice = select(inventory({ ...both, groups }), need({ storageUnit: 'g' }));
  expect(choice.choices.map(({ storageUnit }) => storageUnit)).toEqual(labels);
  expect(choice.selection).toBe(how);
  const mediaServers = [{ name: 'media1', active: true }];
  const rest = select(inventory({ ...both, groups, mediaServers }), need({ storageUnit: 'g' }));
  expect(rest.choices.map(({ storageUnit }) => storageUnit)).toEqual(['a']);
});

test('any available: a unit with a suitable volume in its drive comes first', () => {
  const volumes = [volume('A00001', { ...begun, mountedDrive: 'd1' })];
  const choice = select(inventory({ ...both, volumes }), need({ storageUnit: '' }));
  expect(choice.choices.map(({ storageUnit }) => storageUnit)).toEqual(['b', 'a']);
});

test('drives of an NDMP host serve a local or three-way need, and no other', () => {
  const held = inventory({
    units: [unit('unit1', { type: 'NDMP', ndmpHost: 'filer1' })],
    drives: [drive('d0', { ndmpHost: 'filer1' }), drive('d1', { ndmpHost: 'filer2' }), drive('d2')],
    volumes: [volume('A00001', begun)],
  });
  expect(driveNames(select(held, need({ ndmp: true })).choices)).toEqual(['d0']);
  expect(select(held, need()).refusal?.code).toBe(2007);
  const read = { mode: 'DRIVE_MODE_READ' as const, mediaId: 'A00001' };
  expect(driveNames(select(held, need(read)).choices)).toEqual(['d2']);
  // What another host's mover wrote, only such a mover reads.
  const theirs = driveNames(select(held, need({ ...read, ndmp: true })).choices);
  expect([...theirs].sort()).toEqual(['d0', 'd1']);
});

test('the index after any changes is what it would be from the start', () => {
  const anyChange = fc.record({
    n: fc.nat(5),
    gone: fc.boolean(),
    pool: fc.constantFrom('NetBackup', 'Spare'),
    statusBits: fc.constantFrom(0, MEDIA_BIT.full, MEDIA_BIT.multiRetention),
    assignedMs: fc.constantFrom(0n, 3n),
    retentionLevel: fc.constantFrom(1, 2),
    lastUsedMs: fc.nat(3),
    mountedDrive: fc.constantFrom('', 'd0'),
  });
  fc.assert(
    fc.property(fc.array(anyChange, { maxLength: 30 }), (changes) => {
      const index = new VolumeIndex();
      const truth = new Map<string, Volume>();
      for (const { n, gone, ...more } of changes) {
        const next = volume(`V0000${n}`, more);
        if (gone) {
          index.delete(next.spec.mediaId);
          truth.delete(next.spec.mediaId);
        } else {
          index.set(next);
          truth.set(next.spec.mediaId, next);
        }
      }
      const fresh = new VolumeIndex(truth.values());
      const ask = (volumes: VolumeIndex) =>
        [1, 2].map((retentionLevel) =>
          selectAt({ ...inventory({}), volumes }, need({ retentionLevel }), {
            ...{ nowMs: 0, inUseMediaIds: [] },
          }),
        );
      expect(ask(index).map(({ choices }) => choices)).toEqual(
        ask(fresh).map(({ choices }) => choices),
      );
      expect(index.size).toBe(truth.size);
    }),
  );
});

test('a disk storage unit serves below its high water mark, as told lately; else one waits', () => {
  const units = [unit('disk', { type: 'Disk', path: '/backup', highWaterMark: 90 })];
  const ask = (freeBytes: bigint, atMs: number) => {
    const disks = new Map([['disk', { capacityBytes: 100n, freeBytes, atMs }]]);
    return select(inventory({ units, disks }), need({ storageUnit: 'disk' }), { nowMs: 500_000 });
  };
  expect(ask(11n, 400_000).choices).toMatchObject([
    { storageUnit: 'disk', diskPath: '/backup', drives: [], volumes: [] },
  ]);
  const full = ask(10n, 400_000);
  expect(full).toMatchObject({ choices: [], refusal: null });
  expect(full.reasons[0]).toContain('is 90 % full, its high water mark is 90 %');
  expect(ask(50n, 100_000).reasons[0]).toContain('has not told how full it is');
  // With any unit allowed, one that is full leaves the job to the others.
  const all = [...units, unit('tape')];
  const any = select(inventory({ units: all }), need({ storageUnit: '' }));
  expect(any.choices.map(({ storageUnit }) => storageUnit)).toEqual(['tape']);
});

test('an image on disk is read from the unit that has its label, not from a volume of that name', () => {
  const held = inventory({
    units: [unit('unit1'), unit('A00001', { type: 'Disk', path: '/now' })],
  });
  const read = need({ mode: 'DRIVE_MODE_READ', mediaId: 'A00001', disk: true });
  expect(select(held, read).choices.map(({ diskPath }) => diskPath)).toEqual(['/now']);
  expect(select(held, { ...read, mediaId: 'unit1' }).refusal).toMatchObject({ code: 2104 });
  const servers = { mediaServers: [{ name: 'media1', active: false }] };
  expect(select({ ...held, ...servers }, read).refusal).toMatchObject({ code: 2027 });
});

test('an image goes on upon fresh volumes of its pool and robot first, in its drive even if that is down', () => {
  const volumes = [
    volume('BEGUN1', begun),
    volume('FULL01', { ...begun, mountedDrive: 'd0', statusBits: MEDIA_BIT.full }),
    volume('FREE01'),
    volume('SCRAT1', { pool: 'Spare' }),
    volume('OTHER1', { robotNumber: 3 }),
    volume('LEVEL2', { ...begun, retentionLevel: 2 }),
  ];
  const held = inventory({ volumes, units: [], drives: [drive('d0', { up: false })] });
  const next = (more: Partial<ResourceRequest> = {}, inUseMediaIds: string[] = []) =>
    select(held, need(more), { nextInDrive: 'd0', inUseMediaIds });
  const ids = (reply: ReturnType<typeof next>) =>
    reply.choices[0]?.volumes.map((each) => each.volume?.mediaId);
  expect(ids(next())).toEqual(['FREE01', 'SCRAT1', 'BEGUN1']);
  expect(ids(next({}, ['FREE01']))).toEqual(['SCRAT1', 'BEGUN1', 'FREE01']);
  expect(ids(next({ avoidMediaIds: ['FREE01', 'SCRAT1'] }))).toEqual(['BEGUN1']);
  const none = next({ avoidMediaIds: ['FREE01', 'SCRAT1', 'BEGUN1'] });
  expect(none).toMatchObject({ choices: [], refusal: { code: 96 } });
  expect(none.refusal?.detail).toContain('FULL01: FULL');
});

test('an image is read on from the volume that holds it, if that is in the robot of the drive', () => {
  const volumes = [volume('A00002', begun), volume('A00003', { ...begun, robotNumber: 3 })];
  const held = inventory({ volumes: [...volumes, volume('A00004', { ...begun, slot: 0 })] });
  const next = (mediaId: string) =>
    select(held, need({ mode: 'DRIVE_MODE_READ', mediaId }), { nextInDrive: 'd0' });
  expect(next('A00002').choices).toMatchObject([
    { drives: [{ name: 'd0' }], volumes: [{ volume: { mediaId: 'A00002' }, needsAssign: false }] },
  ]);
  expect(next('A00003').refusal).toMatchObject({ code: 2033 });
  expect(next('A00004').refusal?.detail).toContain('in no robot');
  expect(next('A00009').refusal).toMatchObject({ code: 2031 });
});

test('a label wants its volume, without images, in the drive that was named or any of its robot', () => {
  const volumes = [volume('A00001', {}), volume('A00002', begun)];
  const held = inventory({ volumes, drives: [drive('d0'), drive('d1')] });
  const label = { mediaId: 'A00001', density: 'hcart', drive: '', mediaServer: '' };
  const ask = (more: Partial<typeof label> = {}) => {
    const whole = { ...label, overwrite: false, longErase: false, ...more };
    return select(held, need({ mediaId: whole.mediaId, label: whole }));
  };
  const all = driveNames(ask().choices);
  expect([...all].sort()).toEqual(['d0', 'd1']);
  expect(ask().choices[0]).toMatchObject({ storageUnit: '', maxDrives: 0 });
  expect(ask().choices[0]?.volumes[0]).toMatchObject({ needsAssign: false });
  expect(driveNames(ask({ drive: all[1]! }).choices)).toEqual([all[1]]);
  expect(ask({ mediaId: 'A00002' }).refusal?.code).toBe(168);
  expect(ask({ mediaId: 'A00009' }).refusal?.code).toBe(2031);
  expect(ask({ density: 'dlt' }).refusal?.code).toBe(2042);
  expect(ask({ mediaServer: 'media9' }).refusal?.code).toBe(2001);
});
