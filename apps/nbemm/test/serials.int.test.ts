// Serial numbers of devices: heard once, kept, and replaced only by who says so.

import type { Client } from '@tapestry/bus';
import { beforeAll, expect, test } from 'vitest';
import { withNbemm } from './fixture.ts';

const world = withNbemm();
let ltid: Client<'nbemm'>;

beforeAll(async () => {
  ltid = (await world.bus.as({ service: 'ltid', host: 'media1' })).client('nbemm');
});

async function serials(): Promise<{ drive: string | undefined; robot: string | undefined }> {
  const { drives, robots } = await ltid.GetDevices({ mediaServer: 'media1' });
  const row = drives.find(({ drive }) => drive?.name === 'drive0');
  return { drive: row?.drive?.serial, robot: robots[0]?.serial };
}

test('what a media server hears first stays, and goes along with the devices', async () => {
  expect(await serials()).toEqual({ drive: '', robot: '' });
  await ltid.RecordSerial({ drive: 'drive0', serial: 'D1' });
  await ltid.RecordSerial({ drive: 'drive0', serial: 'D1' });
  await ltid.RecordSerial({ robotNumber: 0, serial: 'L1' });
  expect(await serials()).toEqual({ drive: 'D1', robot: 'L1' });
  await expect(ltid.RecordSerial({ drive: 'drive0', serial: 'D2' })).rejects.toThrow(
    /224 .*D1.*D2/,
  );
  await expect(ltid.RecordSerial({ robotNumber: 0, serial: 'L2' })).rejects.toThrow(/224 /);
  expect(await serials()).toEqual({ drive: 'D1', robot: 'L1' });
});

test('it is replaced by who says so, and forgotten with a path that is set anew', async () => {
  await world.cli.RecordSerial({ drive: 'drive0', serial: 'D3', replace: true });
  expect(await serials()).toMatchObject({ drive: 'D3' });
  await world.cli.UpdateDrive({
    ...{ name: 'drive0', drive: { density: 'hcart' }, set: ['density'] },
  });
  expect(await serials()).toMatchObject({ drive: 'D3' });
  const { drives } = await world.cli.GetDevices({ mediaServer: 'media1' });
  const { path } = drives.find(({ drive }) => drive?.name === 'drive0')!.drive!;
  await world.cli.UpdateDrive({ name: 'drive0', drive: { path }, set: ['path'] });
  const robot = { number: 0, path: 'vtl:/lib' };
  await world.cli.UpdateRobot({ robot, set: ['path'] });
  expect(await serials()).toEqual({ drive: '', robot: '' });
});

test('a serial number is one of a device that there is, and no essay', async () => {
  await expect(ltid.RecordSerial({ drive: 'drive9', serial: 'D1' })).rejects.toThrow(/227 /);
  await expect(ltid.RecordSerial({ robotNumber: 9, serial: 'D1' })).rejects.toThrow(/227 /);
  await expect(ltid.RecordSerial({ drive: 'drive0', serial: '' })).rejects.toThrow(/not given/);
  const serial = 'x'.repeat(65);
  await expect(ltid.RecordSerial({ drive: 'drive0', serial })).rejects.toThrow(/223 /);
});
