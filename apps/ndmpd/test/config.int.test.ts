// Everything that CONFIG can be asked, in each version: what this server is, what it can save and where, its drives and
// its robot, and how to log in to it, both ways.

import { hostname, release } from 'node:os';
import {
  ADDR_TYPE,
  AUTH_TYPE,
  BUTYPE_ATTR,
  BUTYPE_ATTR_V2,
  IPV6_CLASS,
  NDMP_ERROR,
  type NdmpVersion,
  type RequestName,
  TEST_CLASS,
} from '@tapestry/ndmp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Dma, makeWorkspace, PASSWORD, startServer, USER } from './harness.ts';
import { startTapeServer, TapeDma, type TapeStage } from './tape-harness.ts';

const { noError, notSupported, notAuthorized, illegalArgs, precondition } = NDMP_ERROR;
const VERSIONS: readonly NdmpVersion[] = [2, 3, 4];
let server: TapeStage;
let dma: TapeDma;

beforeAll(async () => {
  server = await startTapeServer({}, { flags: ['--export', 'gone=/nowhere/at/all'] });
});
afterAll(() => server?.close());

const BUTYPES = ['tar', 'dump'];
/** What both types can do; v3 has one bit for both forms of history. */
const ABLE =
  BUTYPE_ATTR.backupDirect |
  BUTYPE_ATTR.recoverFileList |
  BUTYPE_ATTR.recoverDirect |
  BUTYPE_ATTR.backupIncremental |
  BUTYPE_ATTR.recoverIncremental |
  BUTYPE_ATTR.backupUtf8 |
  BUTYPE_ATTR.recoverUtf8 |
  BUTYPE_ATTR.backupHistoryFile |
  BUTYPE_ATTR.backupHistoryDir |
  BUTYPE_ATTR.recoverFileHistory;

describe.each(VERSIONS)('version %i', (version) => {
  const isSpoken = (since: NdmpVersion): boolean => version >= since;

  beforeEach(async () => {
    dma = await TapeDma.login(server.address, version);
  });
  afterEach(() => dma.leave());

  /** The reply, or that this version has no such message. */
  async function asked<N extends RequestName>(name: N, since: NdmpVersion) {
    const reply = await dma.ask(name, {} as never);
    expect(reply.error).toBe(isSpoken(since) ? noError : notSupported);
    return isSpoken(since) ? reply : undefined;
  }

  test('the host', async () => {
    const reply = await dma.ask('configGetHostInfo', {});
    const system = { hostname: hostname(), osType: 'Linux', osVersion: release() };
    expect(reply).toMatchObject({ error: noError, ...system });
    expect(reply.hostId).toMatch(/.+/);
    expect(reply.authTypes).toEqual(version === 2 ? [AUTH_TYPE.md5] : undefined);
  });

  test('the server', async () => {
    const reply = await asked('configGetServerInfo', 3);
    expect(reply ?? {}).toMatchObject(
      isSpoken(3)
        ? { vendor: 'Tapestry', product: 'Tapestry ndmpd', authTypes: [AUTH_TYPE.md5] }
        : {},
    );
    if (reply !== undefined) expect(reply.revision).toMatch(/^\d+\.\d+\.\d+$/);
  });

  test('backup types with what they can, and the variables that they know', async () => {
    const reply = await asked('configGetButypeInfo', 3);
    if (reply === undefined) {
      const attrs = BUTYPE_ATTR_V2.noBackupFileList | BUTYPE_ATTR_V2.noRecoverIncrementalOnly;
      for (const name of BUTYPES) {
        expect(await dma.ask('configGetButypeAttr', { name })).toEqual({ error: noError, attrs });
      }
      expect(await dma.error('configGetButypeAttr', { name: 'cpio' })).toBe(illegalArgs);
      return;
    }
    expect(await dma.error('configGetButypeAttr', { name: 'tar' })).toBe(notSupported);
    expect(reply.butypes?.map(({ name, attrs }) => [name, attrs])).toEqual(
      BUTYPES.map((name) => [name, ABLE]),
    );
    for (const { defaultEnv } of reply.butypes ?? []) {
      const names = defaultEnv.map(({ name }) => name);
      expect(names).toEqual(
        expect.arrayContaining(['HIST', 'DIRECT', 'RECURSIVE', 'LEVEL', 'UPDATE', 'EXTRACT']),
      );
    }
  });

  test('file systems, with sizes where they are there', async () => {
    const reply = await asked('configGetFsInfo', 3);
    if (reply === undefined) return;
    const [home, gone] = reply.fileSystems ?? [];
    expect(home).toMatchObject({
      ...{ unsupported: 0, fsType: 'posix', logicalDevice: '/home', status: 'online' },
      physicalDevice: server.workspace.file('home'),
    });
    const { totalSize = 0n, usedSize = 0n, availSize = 0n, totalInodes = 0n } = home ?? {};
    expect(usedSize + availSize).toBeLessThanOrEqual(totalSize);
    expect(totalSize * totalInodes).toBeGreaterThan(0n);
    expect(home?.env).toContainEqual({ name: 'AVAILABLE_BACKUP', value: 'tar,dump' });
    expect(gone).toMatchObject({ logicalDevice: '/gone', status: 'offline', unsupported: 0x1f });
  });

  test('tapes', async () => {
    const reply = await asked('configGetTapeInfo', 3);
    if (reply === undefined) return;
    const attr = version === 4 ? 4 : 0; // opening a drive as it is came with v4
    expect(reply.devices).toMatchObject(
      ['drive0', 'drive1'].map((device) => ({
        model: 'TAPESTRY VIRTUAL DRIVE',
        capabilities: [{ device, attr, capability: [{ name: 'EXECUTE_CDB', value: 't' }, {}] }],
      })),
    );
    const serials = reply.devices?.map(({ capabilities }) => capabilities[0]?.capability[1]);
    expect(new Set(serials?.map((pair) => pair?.value)).size).toBe(2);
    expect(serials?.every((pair) => pair?.name === 'SERIAL_NUMBER')).toBe(true);
  });

  test('the robot', async () => {
    const reply = await asked('configGetScsiInfo', 3);
    if (reply === undefined) return;
    const capability = [{ name: 'SERIAL_NUMBER', value: 'TESTLIB' }];
    expect(reply.devices).toEqual([
      {
        model: 'TAPESTRY VIRTUAL LIBRARY',
        capabilities: [{ device: 'changer0', attr: 0, capability }],
      },
    ]);
  });

  test('ways to connect', async () => {
    const { types } = await dma.ask('configGetConnectionType', {});
    expect(types).toEqual([ADDR_TYPE.tcp, ADDR_TYPE.local]);
  });

  test('extensions', async () => {
    const selected = [{ classId: IPV6_CLASS, version: 1 }];
    const early = await dma.error('configSetExtList', { selected });
    expect(early).toBe(isSpoken(4) ? precondition : notSupported);
    const reply = await asked('configGetExtList', 4);
    if (reply === undefined) return;
    expect(reply.classes).toEqual([
      { classId: IPV6_CLASS, versions: [1] },
      { classId: TEST_CLASS, versions: [2, 1] },
    ]);
    const both = [...selected, { classId: TEST_CLASS, version: 2 }];
    expect(await dma.error('configSetExtList', { selected: both })).toBe(noError);
    const echo = { message: 'hello', short: 7 };
    expect(await dma.ask('testEcho', echo)).toEqual({ error: noError, ...echo });
    const { types } = await dma.ask('configGetConnectionType', {});
    expect(types).toEqual([ADDR_TYPE.tcp, ADDR_TYPE.local, ADDR_TYPE.tcp6]);
  });

  test('log-in: a challenge for MD5 that is new each time, and text only where it is allowed', async () => {
    const ask = (authType: number) => dma.ask('configGetAuthAttr', { authType });
    const [one, two] = [await ask(AUTH_TYPE.md5), await ask(AUTH_TYPE.md5)];
    expect(one.attr?.challenge).toHaveLength(64);
    expect(one.attr?.challenge).not.toEqual(two.attr?.challenge);
    expect((await ask(AUTH_TYPE.text)).error).toBe(illegalArgs);
    expect((await ask(AUTH_TYPE.none)).error).toBe(illegalArgs);
  });

  test('the server proves that it knows the password, after the DMA did', async () => {
    const { client } = dma.dma;
    await client.verifyServer(USER, PASSWORD);
    await expect(client.verifyServer(USER, 'another')).rejects.toMatchObject({
      error: notAuthorized,
    });
    const stranger = new Dma(server.address);
    await stranger.client.connectOpen({ versionMax: version });
    await expect(stranger.client.verifyServer(USER, PASSWORD)).rejects.toMatchObject({
      error: notAuthorized,
    });
    stranger.client.close();
  });
});

test('text is accepted from who asked for it on the command line', async () => {
  const place = makeWorkspace();
  const open = await startServer(place, { home: place.path }, ['--allow-text-auth']);
  const stranger = new Dma(open.address);
  await stranger.client.connectOpen();
  const { authTypes } = await stranger.client.getServerInfo();
  expect(authTypes).toEqual([AUTH_TYPE.md5, AUTH_TYPE.text]);
  await stranger.client.authText(USER, PASSWORD);
  expect((await stranger.client.getHostInfo()).hostname).toBe(hostname());
  stranger.client.close();
  await open.close();
  place.remove();
});
