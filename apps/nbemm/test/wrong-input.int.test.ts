// Whatever an administrator's program sends, nbemm does it or says what is wrong with it: no request reaches the
// database as something that it chokes on, and nothing is left half done.

import type { Client } from '@tapestry/bus';
import { StatusError } from '@tapestry/status';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { withNbemm } from './fixture.ts';

const world = withNbemm();

const word = fc.oneof(
  fc.constantFrom('', 'A00001', 'a1', 'media1', 'NetBackup', 'unit1', 'drive0', 'drive1', 'filer1'),
  fc.constantFrom('hcart', 'HCART_CLN', 'tld', 'acs', 'vtl:/lib', '/srv/disk', 'UP', '0', '1:2:#X'),
  fc.constantFrom('<NONE>', 'x'.repeat(2_000), 'a\0b', 'é', 'DEFAULT', "'; drop table volumes; --"),
  fc.string({ maxLength: 8 }),
);
const uint = fc.constantFrom(0, 1, 2, 6, 99, 2_147_483_647, 4_294_967_295);
const int = fc.constantFrom(-2_147_483_648, -1, 0, 1, 9, 32_767, 2_147_483_647);
const big = fc.constantFrom(0n, 1n, 49n, 50n, 1_048_575n, 2n ** 53n, 2n ** 64n - 1n);
const flag = fc.boolean();

const robot = fc.record({
  ...{ number: int, type: word, controlHost: word, path: word, ndmpHost: word },
});
const drive = fc.record({
  ...{ name: word, index: uint, density: word, mediaServer: word, path: word },
  ...{ robotNumber: int, robotDrive: uint, ndmpHost: word },
});
const path = fc.record({ mediaServer: word, ndmpHost: word, path: word, up: flag, reason: word });
const volume = fc.record({
  ...{ mediaId: word, barcode: word, density: word, robotNumber: int, slot: uint, pool: word },
});
const unit = fc.record({
  ...{ label: word, type: word, mediaServer: word, density: word, robotNumber: int },
  ...{ maxDrives: uint, maxFragmentMb: big, ndmpHost: word, maxMpx: uint, path: word },
  ...{ highWaterMark: uint, lowWaterMark: uint, diskType: word },
});
const change = fc.record({
  ...{ pool: word, barcode: word, description: word, maxMounts: uint, cleanings: uint },
  ...{ expirationMs: big, volumeGroup: word, robotNumber: int, slot: uint, owner: word },
  ...{ mediaType: word, offsite: fc.record({ location: word, sentMs: big }) },
});
const setOf = (...names: string[]) => fc.subarray([...names, 'nonsense']);
const key = fc.record({ ndmpHost: word, mediaServer: word });
const rule = fc.record({ tag: word, mediaType: word, pool: word, maxMounts: uint });
const group = fc.record({ name: word, selection: word, units: fc.array(word, { maxLength: 3 }) });
const onlyName = fc.record({ name: word });

type Nbemm = Client<'nbemm'>;
const requests: { readonly [M in keyof Nbemm]?: fc.Arbitrary<object> } = {
  AddRobot: fc.record({ robot }),
  UpdateRobot: fc.record({ robot, set: setOf('type', 'path', 'controlHost', 'ndmpHost') }),
  DeleteRobot: fc.record({ number: int }),
  AddDrive: fc.record({ drive }),
  UpdateDrive: fc.record({ name: word, drive, set: setOf('name', 'robotNumber', 'path') }),
  DeleteDrive: onlyName,
  SetDriveState: fc.record({ name: word, up: flag, reason: word }),
  AddDrivePath: fc.record({ drive: word, path }),
  DeleteDrivePath: fc.record({ drive: word, path }),
  SetDrivePathState: fc.record({ drive: word, path }),
  AddMachine: fc.record({ name: word, type: fc.constantFrom('media', 'ndmp'), description: word }),
  SetMachineState: fc.record({ name: word, paused: flag }),
  DeleteMachine: onlyName,
  DeleteMachineDevices: onlyName,
  AddNdmpHost: fc.record({
    ...{ name: word, address: word, port: uint, user: word, password: word, auth: word },
    ...{ update: flag, useGlobal: flag },
  }),
  SetNdmpCredential: fc.record({ key, user: word, password: word }),
  DeleteNdmpCredential: key,
  DeleteNdmpHost: onlyName,
  AddVolume: fc.record({
    ...{ volume, description: word, maxMounts: uint, mediaType: word, volumeGroup: word },
    ...{ cleanings: uint, expirationMs: big },
  }),
  ChangeVolumes: fc.record({
    ...{ mediaIds: fc.array(word, { maxLength: 3 }), volumeGroup: word, change },
    set: setOf('pool', 'barcode', 'maxMounts', 'slot', 'owner', 'expirationMs', 'offsite.sentMs'),
  }),
  SetVolumeStatus: fc.record({ mediaId: word, action: word, owner: word }),
  DeleteVolume: onlyName,
  DeleteVolumeGroup: onlyName,
  AddPool: fc.record({ name: word, description: word, scratch: flag, maxPartiallyFull: uint }),
  UpdatePool: fc.record({ name: word, scratch: flag, set: setOf('scratch', 'description') }),
  DeletePool: onlyName,
  SetBarcodeRule: fc.record({ rule, update: flag }),
  DeleteBarcodeRule: onlyName,
  SetMediaIdRule: fc.record({ robotNumber: int, barcodeLength: uint, rule: word }),
  AddStorageUnit: fc.record({ unit }),
  UpdateStorageUnit: fc.record({ unit, set: setOf('density', 'maxDrives', 'path', 'ndmpHost') }),
  DeleteStorageUnit: onlyName,
  SetStorageUnitGroup: fc.record({ group, update: flag, set: setOf('units', 'addUnits') }),
  DeleteStorageUnitGroup: onlyName,
  ChangeSetting: fc.record({ name: word, value: word }),
  InventoryRobot: fc.record({
    ...{ robotNumber: int, pool: word, mediaType: word, volumeGroup: word },
    ...{ useBarcodeRules: flag, recommendOnly: flag },
  }),
  ListVolumes: fc.record({ mediaId: word, robotNumber: int, inRobot: flag, limit: uint }),
  ListChanges: fc.record({ afterSequence: big, limit: uint }),
};

const calls = fc.oneof(
  ...Object.entries(requests).map(([method, request]) =>
    (request as fc.Arbitrary<object>).map((each) => ({ method, request: each })),
  ),
);

/** 130: something was thrown that nobody had foreseen; 220: the database refused to be asked so. */
const UNFORESEEN = [130, 220];

test('no request is more than nbemm can bear', async () => {
  const elements = ['A00001', 'CLN001', '??', ''].map((barcode, i) => ({
    ...{ type: 'slot', number: i + 1, full: true, barcode },
  }));
  world.ltid.answer({ ReadElements: async () => ({ elements }) });
  const call = world.cli as unknown as Record<string, (request: object) => Promise<object>>;
  const outcomes = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(calls, async ({ method, request }) => {
      let code = 0;
      try {
        await call[method]?.(request);
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
        code = error.code;
        expect(UNFORESEEN, `${method}: ${error.message}`).not.toContain(code);
      }
      outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
    }),
    { numRuns: 1_500 },
  );
  // Some of it is done: else the test would prove only that everything is refused.
  expect(outcomes.get(0)).toBeGreaterThan(20);
  const { drives } = await world.cli.GetDevices({});
  for (const each of drives) expect(each.paths.length).toBeGreaterThan(0);
  const { volumes } = await world.cli.ListVolumes({});
  const places = volumes.flatMap(({ volume: each }) =>
    each !== null && each.slot > 0 ? [`${each.robotNumber}/${each.slot}`] : [],
  );
  expect(new Set(places).size).toBe(places.length);
});
