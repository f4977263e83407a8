// Against istgt, a second target that is not ours: it tells neither positions nor lengths, and its tape ends without warning.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Drive } from '@tapestry/storage';
import { afterEach, describe, expect, test } from 'vitest';
import {
  ISTGT_TARGET,
  type IstgtOptions,
  istgtUnavailable,
  startIstgt,
} from '../../../tools/peers/start-istgt.ts';
import { IscsiSession, makeIsid, openTapeDrive, type SessionOptions } from '../src/index.ts';
import type { IscsiError } from '../src/iscsi-error.ts';

const unavailable = istgtUnavailable();
if (unavailable !== undefined) test('istgt', ({ skip }) => skip(unavailable));

const MIB = 1024 * 1024;
const LONG_MS = 60_000;
const block = (bytes: number, value: number): { parts: Buffer[] } => ({
  parts: [Buffer.alloc(bytes, value)],
});

describe.runIf(unavailable === undefined)('istgt', () => {
  const closers: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  async function start(options: Partial<IstgtOptions> = {}): Promise<SessionOptions> {
    const dir = mkdtempSync(join(tmpdir(), 'istgt-'));
    const istgt = await startIstgt({ dir, cartridgeMib: 8, ...options });
    closers.push(async () => {
      await istgt.stop();
      rmSync(dir, { recursive: true });
    });
    return {
      portal: { host: '127.0.0.1', port: istgt.port },
      initiatorName: 'iqn.2026-01.test.tapestry:initiator',
      targetName: ISTGT_TARGET,
      isid: makeIsid('istgt test'),
    };
  }

  async function open(options: SessionOptions): Promise<Drive> {
    const session = new IscsiSession(options);
    const owner = { grantId: 'g', epoch: 1n };
    const onClose = (): Promise<void> => session.close();
    const drive = await openTapeDrive({ transport: session.device(0), owner, onClose });
    closers.push(() => drive.close());
    return drive;
  }

  async function kinds(drive: Drive, into: Buffer): Promise<string> {
    const seen: string[] = [];
    while (seen.at(-1) !== 'endOfData') {
      const result = await drive.readBlock(into);
      const bytes = 'lengthBytes' in result ? ` ${result.lengthBytes} ${into[0]}` : '';
      seen.push(`${result.kind}${bytes}`);
    }
    return seen.join(', ');
  }

  test('keeps blocks and filemarks, and finds them again', async () => {
    for (const digest of ['off', 'required'] as const) {
      const drive = await open({ ...(await start()), headerDigest: digest, dataDigest: digest });
      await drive.writeBlocks([block(65_536, 1), block(262_144, 2)]);
      await drive.writeFilemarks(1, 'sync');
      await drive.writeBlocks([block(1024, 3), block(65_536, 4), block(8, 5)]);
      await drive.writeFilemarks(1, 'sync');
      await drive.rewind();
      expect(await kinds(drive, Buffer.alloc(262_144))).toBe(
        'block 65536 1, block 262144 2, filemark, block 1024 3, block 65536 4, block 8 5, filemark, endOfData',
      );
      expect(await drive.position()).toEqual({ object: 7, file: 2, block: 0 });
      await drive.locate({ file: 1, block: 1 });
      expect(await kinds(drive, Buffer.alloc(1024))).toBe(
        'oversize 65536 4, block 8 5, filemark, endOfData',
      );
      await expect(drive.locate({ file: 3, block: 0 })).rejects.toMatchObject({
        status: 'mediaPositionError',
      });
      await drive.close();
    }
  });

  test('ends without a warning, and says what was not written', async () => {
    const drive = await open(await start());
    const batch = Array.from({ length: 16 }, (_, i) => block(MIB, i));
    const result = await drive.writeBlocks(batch);
    expect(result).toEqual({ written: 7, earlyWarning: true, endOfMedium: true });
    await drive.rewind();
    const seen = await kinds(drive, Buffer.alloc(MIB));
    expect(seen.split(', ').filter((each) => each.startsWith('block'))).toHaveLength(7);
  });

  test('has nothing in it any more after an unload', async () => {
    const drive = await open(await start());
    await drive.writeBlocks([block(1024, 1)]);
    await drive.unload();
    expect(await drive.loadState()).toMatchObject({ loaded: false });
    await expect(drive.rewind()).rejects.toMatchObject({ status: 'driveNotReady' });
  });

  test('proves itself, and wants a proof', async () => {
    const chap = {
      user: 'tape',
      secret: 'twelve-bytes-or-more',
      mutualUser: 'drive',
      mutualSecret: 'another-secret-of-it',
    };
    const options = await start({ chap });
    const own = { user: chap.user, secret: Buffer.from(chap.secret) };
    const connect = async (target?: { user: string; secret: Buffer }): Promise<unknown> => {
      const session = new IscsiSession({ ...options, chap: target ? { ...own, target } : own });
      const outcome = await session.connect(LONG_MS).catch((error: IscsiError) => error.failure);
      await session.close();
      return outcome;
    };
    const secret = Buffer.from(chap.mutualSecret);
    expect(await connect({ user: chap.mutualUser, secret })).toBe(1);
    expect(await connect({ user: chap.mutualUser, secret: Buffer.alloc(16, 1) })).toBe('login');
  });
});
