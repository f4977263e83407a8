// What the client hides of the versions, seen from both sides of the wire.

import { expect, test } from 'vitest';
import {
  ADDR_TYPE,
  BUTYPE_ATTR,
  MOVER_MODE,
  MOVER_PAUSE,
  NDMP_ERROR,
  U64_MAX,
} from './constants.ts';
import type { NdmpVersion } from './messages.ts';
import { connect, type Stage } from './recorded-sessions.test-data.ts';
import { TraceDecoder } from './trace.ts';

async function loggedIn(version: NdmpVersion): Promise<Stage> {
  const stage = connect({ versionMax: version });
  await stage.client.connectOpen();
  expect(stage.client.version).toBe(version);
  await stage.client.authMd5('ndmp', 'secret');
  return stage;
}

/** What the DMA has sent, by name. */
function asked({ chunks }: Stage): string[] {
  const decoder = new TraceDecoder();
  return chunks.flatMap((chunk) =>
    decoder
      .push(chunk)
      .filter(({ from }) => from === 'dma')
      .map(({ name }) => name),
  );
}

const prepare = async ({ client }: Stage): Promise<void> => {
  await client.tape.open('nst0', 1);
  const opening = { mode: MOVER_MODE.read, recordSizeBytes: 512, addressType: ADDR_TYPE.local };
  await client.mover.prepareListen({ ...opening, window: { offset: 1024n, length: U64_MAX } });
};

test('a window is set before LISTEN in v4, and after it in older versions', async () => {
  const orders = await Promise.all(
    ([4, 3, 2] as const).map(async (version) => {
      const stage = await loggedIn(version);
      await prepare(stage);
      const { windowOffset, windowLength } = await stage.client.mover.getState();
      expect([windowOffset, windowLength]).toEqual([1024n, U64_MAX - 1024n]);
      return asked(stage).filter((name) => /SetWindow|Listen/.test(name));
    }),
  );
  expect(orders).toEqual([
    ['moverSetWindow', 'moverListen'],
    ['moverListen', 'moverSetWindow'],
    ['moverListen', 'moverSetWindow'],
  ]);
});

test('CONNECT takes record size and window along', async () => {
  const stage = await loggedIn(3);
  const { client } = stage;
  await client.tape.open('nst0', 0);
  const address = { type: 'tcp' as const, endpoints: [{ host: '10.0.0.1', port: 9, env: [] }] };
  await client.mover.prepareConnect({ mode: MOVER_MODE.write, recordSizeBytes: 512, address });
  await client.mover.read({ offset: 0n, length: 4n });
  expect(asked(stage).slice(-4)).toEqual([
    'moverSetRecordSize',
    'moverSetWindow',
    'moverConnect',
    'moverRead',
  ]);
});

test('v2 connects with the start, not before', async () => {
  const stage = await loggedIn(2);
  await prepare(stage);
  await stage.client.dataConnect({ type: 'local' });
  expect(asked(stage).at(-1)).toBe('moverSetWindow');
  await stage.client.startBackup({ butype: 'dump', env: [] });
  expect(asked(stage).at(-1)).toBe('dataStartBackup');
  expect((await stage.client.getState()).address).toEqual({ type: 'local' });
});

test('v2 tells the end of a window as EOF; only a backup means the window', async () => {
  const stage = await loggedIn(2);
  const { client, harness } = stage;
  await prepare(stage);
  await client.dataConnect({ type: 'local' });
  await client.startBackup({ butype: 'dump', env: [] });
  harness.session.feed({ type: 'moverPaused', reason: MOVER_PAUSE.eow, seekPosition: 5n });
  await harness.settle();
  expect(stage.heard.at(-1)).toEqual({
    name: 'notifyMoverPaused',
    body: { reason: MOVER_PAUSE.eow, seekPosition: 5n },
  });
});

test('what a version lacks is refused without being sent', async () => {
  const stage = await loggedIn(2);
  const before = asked(stage).length;
  const { client } = stage;
  await expect(client.dataListen(ADDR_TYPE.tcp)).rejects.toMatchObject({
    failure: 'refused',
    error: NDMP_ERROR.notSupported,
  });
  await expect(client.getFsInfo()).rejects.toMatchObject({ error: NDMP_ERROR.notSupported });
  expect(await client.getExtensions()).toEqual([]);
  expect(asked(stage)).toHaveLength(before);
  const newer = await loggedIn(4);
  await expect(newer.client.scsi.resetBus()).rejects.toMatchObject({ failure: 'refused' });
});

test('v2 names its log-in methods with the host, and backup types one by one', async () => {
  const { client } = await loggedIn(2);
  expect((await client.getServerInfo()).authTypes).toEqual([2]);
  const { butypes } = await client.getButypeInfo({}, ['dump']);
  expect(butypes).toMatchObject([{ name: 'dump' }]);
  const attrs = butypes[0]?.attrs ?? 0;
  expect(attrs & BUTYPE_ATTR.recoverDirect).not.toBe(0);
  expect(attrs & BUTYPE_ATTR.backupHistoryFile).toBe(0);
});

test('devices are listed, opened, asked and closed', async () => {
  const { client, harness } = await loggedIn(4);
  expect(await client.getTapeInfo()).toMatchObject([{ capabilities: [{ device: 'nst0' }] }]);
  expect(await client.getScsiInfo()).toMatchObject([{ capabilities: [{ device: 'mc0' }] }]);
  await client.scsi.open('mc0');
  expect(await client.scsi.getState()).toMatchObject({ id: 3, lun: 1 });
  await client.scsi.resetDevice();
  await client.scsi.close();
  expect(harness.robots.closes).toBe(1);
  await client.tape.open('nst0', 1);
  expect(await client.tape.write(Buffer.from('one'))).toBe(3);
  expect(await client.tape.mtio(3, 5)).toBe(4);
  expect((await client.tape.read(512)).toString()).toBe('one');
  expect(await client.tape.getState()).toMatchObject({ fileNumber: 0, blockNumber: 1 });
  await expect(client.tape.read(512)).rejects.toMatchObject({ error: NDMP_ERROR.eom });
  await client.tape.close();
  expect(harness.drive.closed).toBe('flush');
});
