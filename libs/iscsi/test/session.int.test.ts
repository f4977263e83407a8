// A session over TCP: deadlines, lost connections, targets that fall silent or send us away.

import { afterEach, describe, expect, test } from 'vitest';
import type { IscsiError } from '../src/iscsi-error.ts';
import { discoverTargets, IscsiSession, type SessionOptions } from '../src/net/iscsi-session.ts';
import { makeIsid } from '../src/net/isid.ts';
import type { ScsiTransport } from '../src/scsi/transport.ts';
import { AT, OPCODE } from '../src/wire/pdu.ts';
import { pattern } from './initiator-kit.ts';
import { TARGET_NAME, type TargetScript } from './scripted-target.ts';
import { startTargets, type TargetServer } from './target-server.ts';

const CDB = Uint8Array.of(0, 0, 0, 0, 0, 0);
const LONG_MS = 60_000;
const opened: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

async function start(
  script: (connection: number) => TargetScript | undefined = () => ({}),
): Promise<TargetServer> {
  const server = await startTargets(script);
  opened.push({ close: () => server.stop() });
  return server;
}

function open(server: TargetServer, options: Partial<SessionOptions> = {}): IscsiSession {
  const session = new IscsiSession(server.session(options));
  opened.push(session);
  return session;
}

const run = (device: ScsiTransport, timeoutMs = LONG_MS, nexus?: number): Promise<unknown> =>
  device.execute({ cdb: CDB, timeoutMs, ...(nexus === undefined ? {} : { nexus }) });

async function failureOf(promise: Promise<unknown>): Promise<IscsiError> {
  return promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: IscsiError) => error,
  );
}

describe('a session', () => {
  test('logs in with its first command and moves data both ways', async () => {
    const data = pattern(300_000);
    let stored: Buffer = Buffer.alloc(0);
    const server = await start(() => ({
      keys: { MaxRecvDataSegmentLength: '65536', MaxBurstLength: '131072' },
      r2tBytes: 131_072,
      device: ({ cdb, dataOut }) => {
        if (cdb[0] === 0x08) return { data: stored };
        stored = dataOut;
        return {};
      },
    }));
    const device = open(server).device(1);
    expect(device.nexus).toBe(0);
    const parts = [data.subarray(0, 1000), data.subarray(1000)];
    await device.execute({ cdb: Uint8Array.of(0x0a), dataOut: parts, timeoutMs: LONG_MS });
    expect(device.nexus).toBe(1);
    const dataIn = Buffer.alloc(400_000);
    const result = await device.execute({ cdb: Uint8Array.of(0x08), dataIn, timeoutMs: LONG_MS });
    expect(result.data.equals(data)).toBe(true);
    expect(result.residualBytes).toBe(100_000);
  });

  test('closes in order, and fails what comes after', async () => {
    const server = await start();
    const session = open(server);
    await session.connect(LONG_MS);
    await session.close();
    await session.close();
    expect(server.targets[0]?.seen.at(-1)?.opcode).toBe(OPCODE.logout);
    const error = await failureOf(run(session.device(0)));
    expect(error).toMatchObject({ failure: 'closed', mayHaveTakenEffect: false });
  });

  test('finds targets by a discovery session', async () => {
    const server = await start();
    expect(await discoverTargets(server.session())).toEqual([
      {
        name: TARGET_NAME,
        portals: [
          { host: '127.0.0.1', port: 3260, portalGroup: 1 },
          { host: '::1', port: 860, portalGroup: 2 },
        ],
      },
      { name: 'iqn.2026-01.test.tapestry:other', portals: [] },
    ]);
  });

  test('follows a target that moved, but not for ever', async () => {
    const home = await start();
    const moved = await start(() => ({
      loginStatus: 0x0101,
      redirectTo: `127.0.0.1:${home.port}`,
    }));
    await open(moved).connect(LONG_MS);
    expect(home.targets).toHaveLength(1);
    const loop: TargetServer = await start(() => ({
      loginStatus: 0x0102,
      redirectTo: `127.0.0.1:${loop.port}`,
    }));
    const error = await failureOf(open(loop).connect(LONG_MS));
    expect(error.message).toContain('redirects more than 4 times');
  });
});

describe('a lost connection', () => {
  test('fails what was under way, once, and says that it may have taken effect', async () => {
    let commands = 0;
    const server = await start(() => ({
      device: () => {
        commands += 1;
        if (commands === 1) server.sockets[0]?.destroy();
        return commands === 1 ? 'silent' : {};
      },
    }));
    const lost: IscsiError[] = [];
    const device = open(server, { onLost: (error) => lost.push(error) }).device(0);
    const error = await failureOf(run(device));
    expect(error).toMatchObject({ failure: 'closed', mayHaveTakenEffect: true });
    expect(error.message).toContain('the command may have taken effect');
    await run(device);
    expect(commands).toBe(2);
    expect(device.nexus).toBe(2);
    expect(lost).toHaveLength(1);
  });

  test('comes back under the same name and session id', async () => {
    const server = await start();
    const session = open(server, { isid: makeIsid('host one, robot') });
    await session.connect(LONG_MS);
    server.sockets[0]?.destroy();
    await run(session.device(0)).catch(() => run(session.device(0)));
    const logins = server.targets.map((target) => target.seen[0]?.header.subarray(8, 16));
    expect(logins).toHaveLength(2);
    expect(logins[1]).toEqual(logins[0]);
    expect(logins[0]?.[0]).toBe(0x80);
    expect(logins[0]?.readUInt16BE(6)).toBe(0);
  });

  test('stops a command that was meant for the nexus before', async () => {
    let commands = 0;
    const server = await start(() => ({
      device: () => {
        commands += 1;
        return {};
      },
    }));
    const device = open(server).device(0);
    await run(device);
    server.sockets[0]?.destroy();
    await run(device).catch(() => run(device));
    const before = commands;
    const error = await failureOf(run(device, LONG_MS, 1));
    expect(error).toMatchObject({ failure: 'nexusLost', mayHaveTakenEffect: false });
    expect(commands).toBe(before);
  });

  test('is waited for as long as the command may take, not longer', async () => {
    const server = await start((n) => (n < 2 ? undefined : {}));
    const device = open(server).device(0);
    const error = await failureOf(run(device, 1));
    expect(error.mayHaveTakenEffect).toBe(false);
    await expect
      .poll(
        () =>
          run(device, LONG_MS).then(
            () => 'done',
            () => 'failed',
          ),
        { timeout: LONG_MS },
      )
      .toBe('done');
  });

  test('a refusal that will come again is not provoked again', async () => {
    const server = await start(() => ({ loginStatus: 0x0201 }));
    const session = open(server);
    for (let i = 0; i < 3; i++) {
      const error = await failureOf(session.connect(LONG_MS));
      expect(error.loginStatus).toBe(0x0201);
    }
    expect(server.sockets).toHaveLength(1);
  });

  test('nobody listening is told as that', async () => {
    const server = await start();
    await server.stop();
    const error = await failureOf(open(server).connect(500));
    expect(error).toMatchObject({ failure: 'connect', mayHaveTakenEffect: false });
    opened.shift();
  });
});

describe('deadlines', () => {
  const IMPATIENT = { abortMs: 100, resetMs: 100, pingAfterMs: 60, pongMs: 100, loginMs: 200 };

  test('an overdue command is aborted, and the session goes on', async () => {
    const server = await start(() => ({ device: ({ lun }) => (lun === 1 ? 'silent' : {}) }));
    const session = open(server);
    const error = await failureOf(run(session.device(1), 50));
    expect(error).toMatchObject({ failure: 'timedOut', mayHaveTakenEffect: true });
    await run(session.device(2));
    expect(session.nexus).toBe(1);
    const functions = server.targets[0]?.seen.filter((p) => p.opcode === OPCODE.taskManagement);
    expect(functions?.map(({ header }) => header[AT.flags])).toEqual([0x81]);
  });

  test('what cannot be aborted is reset with its unit, and else the connection goes', async () => {
    const script: TargetScript = { taskManagement: 'silent', device: () => 'silent' };
    const server = await start((n) => (n === 0 ? script : {}));
    const session = open(server, { timeouts: IMPATIENT });
    const error = await failureOf(run(session.device(1), 50));
    expect(error).toMatchObject({ failure: 'timedOut', mayHaveTakenEffect: true });
    const functions = server.targets[0]?.seen.filter((p) => p.opcode === OPCODE.taskManagement);
    expect(functions?.map(({ header }) => header[AT.flags])).toEqual([0x81, 0x85]);
    await run(session.device(1));
    expect(session.nexus).toBe(2);
  });

  test('a silent target is pinged, and left when it does not answer', async () => {
    const server = await start((n) => ({ ignoresPings: n === 1, device: () => 'silent' }));
    const lively = open(server, { timeouts: IMPATIENT });
    await lively.connect(LONG_MS);
    const pings = (n: number): number =>
      server.targets[n]?.seen.filter(({ opcode }) => opcode === OPCODE.nopOut).length ?? 0;
    await expect.poll(() => pings(0), { timeout: LONG_MS }).toBeGreaterThan(2);
    expect(lively.nexus).toBe(1);
    const dead = open(server, { timeouts: IMPATIENT });
    const error = await failureOf(run(dead.device(0)));
    expect(error).toMatchObject({ failure: 'closed', mayHaveTakenEffect: true });
    expect(error.message).toContain('does not answer any more');
  });

  test('a target that does not speak at all fails the login', async () => {
    const server = await start(() => ({ onPdu: () => true }));
    const error = await failureOf(open(server, { timeouts: IMPATIENT }).connect(LONG_MS));
    expect(error).toMatchObject({ failure: 'timedOut' });
  });
});

describe('a target that wants us gone', () => {
  test('gets its logout when the commands under way are done; the next one logs in anew', async () => {
    const server = await start((n) => ({
      onPdu: (header, _, target) => {
        if (n === 0 && header[0] === OPCODE.scsiCommand) target.isHolding = true;
        return false;
      },
    }));
    const session = open(server);
    const first = run(session.device(0));
    await expect.poll(() => server.targets[0]?.isHolding, { timeout: LONG_MS }).toBe(true);
    server.targets[0]?.async(1, 30);
    server.targets[0]?.release();
    await first;
    await expect
      .poll(() => server.targets[0]?.seen.at(-1)?.opcode, { timeout: LONG_MS })
      .toBe(OPCODE.logout);
    await run(session.device(0));
    expect(session.nexus).toBe(2);
  });

  test('and one that drops the connection is taken at its word', async () => {
    const server = await start((n) => ({ device: () => (n === 0 ? 'silent' : {}) }));
    const session = open(server);
    const first = failureOf(run(session.device(0)));
    await expect
      .poll(() => server.targets[0]?.sizesOf(OPCODE.scsiCommand), { timeout: LONG_MS })
      .toHaveLength(1);
    server.targets[0]?.async(2);
    expect(await first).toMatchObject({ failure: 'closed', mayHaveTakenEffect: true });
    await run(session.device(0));
  });
});
