// Against tgt, a target that is not ours: logins of all kinds, and the suites of both ports over its drives and changer.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StatusError } from '@tapestry/status';
import {
  type Drive,
  type Library,
  openTrailerBlock,
  readVolumeLabel,
  verifyAppendPoint,
  writeVolumeLabel,
} from '@tapestry/storage';
import {
  asWrites,
  driveConformance,
  libraryConformance,
  sampleFragment,
} from '@tapestry/storage/conformance';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  startTgt,
  TGT_ELEMENT,
  TGT_LUN,
  TGT_TARGET,
  type Tgt,
  type TgtOptions,
  tgtUnavailable,
} from '../../../tools/peers/start-tgt.ts';
import {
  discoverTargets,
  IscsiSession,
  listUnits,
  makeIsid,
  openMediaChanger,
  openTapeDrive,
  type SessionOptions,
} from '../src/index.ts';
import type { IscsiError } from '../src/iscsi-error.ts';

const unavailable = tgtUnavailable();

const LONG_MS = 60_000;
const BARCODE = 'A00001L6';
const SECRET = 'twelve-bytes-or-more';

interface Running {
  readonly tgt: Tgt;
  session(role: string, options?: Partial<SessionOptions>): IscsiSession;
  stop(): Promise<void>;
}

async function start(options: Partial<TgtOptions> = {}): Promise<Running> {
  const dir = mkdtempSync(join(tmpdir(), 'tgt-'));
  const tgt = await startTgt({ dir, barcodes: [BARCODE], ...options });
  return {
    tgt,
    session: (role, more) => new IscsiSession({ ...portal(tgt.port, role), ...more }),
    stop: async () => {
      await tgt.stop();
      rmSync(dir, { recursive: true });
    },
  };
}

function portal(port: number, role: string): SessionOptions {
  return {
    portal: { host: '127.0.0.1', port },
    initiatorName: 'iqn.2026-01.test.tapestry:initiator',
    targetName: TGT_TARGET,
    isid: makeIsid(role),
  };
}

if (unavailable !== undefined) {
  test('tgt', ({ skip }) => skip(`tgt: ${unavailable}`));
}

describe.runIf(unavailable === undefined)('tgt', () => {
  describe('as it is', () => {
    let running: Running;
    beforeAll(async () => {
      running = await start({
        parameters: { HeaderDigest: 'CRC32C,None', DataDigest: 'CRC32C,None' },
      });
    });
    afterAll(() => running.stop());

    test('is found by discovery', async () => {
      const [target] = await discoverTargets(portal(running.tgt.port, 'discovery'));
      const port = running.tgt.port;
      expect(target).toEqual({
        name: TGT_TARGET,
        portals: [{ host: '127.0.0.1', port, portalGroup: 1 }],
      });
    });

    test('tells what is behind it', async () => {
      const session = running.session('units');
      const units = await listUnits(session);
      expect(units.map(({ lun, kind, serial }) => `${lun} ${kind} ${serial}`)).toEqual([
        expect.stringMatching(/^0 null /),
        '1 tape DRV0000001',
        '2 tape DRV0000002',
        '3 changer LIB0000001',
      ]);
      expect(units[1]?.identifiers.length).toBeGreaterThan(0);
      await session.close();
    });

    test('moves blocks with and without digests, and with R2Ts for nearly all of them', async () => {
      for (const digest of ['off', 'required'] as const) {
        const session = running.session('blocks', { headerDigest: digest, dataDigest: digest });
        const library = await openMediaChanger({ transport: session.device(TGT_LUN.changer) });
        await library.move(TGT_ELEMENT.slot, TGT_ELEMENT.drive);
        const transport = session.device(TGT_LUN.drives[0]);
        const drive = await openTapeDrive({ transport, owner: { grantId: 'g', epoch: 1n } });
        expect(session.negotiated).toMatchObject({
          headerDigest: digest === 'required',
          initialR2T: true,
          sendSegmentBytes: 8192,
        });
        const blocks = [1, 8191, 8192, 8193, 65_536, 262_144, 1_000_001].map((bytes, i) =>
          Buffer.alloc(bytes, i + 1),
        );
        await drive.writeBlocks(blocks.map((block) => ({ parts: [block] })));
        await drive.rewind();
        const into = Buffer.alloc(1024 * 1024);
        for (const block of blocks) {
          const result = await drive.readBlock(into);
          expect(result).toMatchObject({ kind: 'block', lengthBytes: block.length });
          expect(into.subarray(0, block.length).equals(block)).toBe(true);
        }
        await drive.close();
        await library.move(TGT_ELEMENT.drive, TGT_ELEMENT.slot);
        await session.close();
      }
    });

    test('ends the session of a process before, which its drive is told', async () => {
      const first = running.session('the same');
      const second = running.session('the same');
      await first.connect(LONG_MS);
      await second.connect(LONG_MS);
      await expect.poll(() => first.nexus, { timeout: LONG_MS }).toBe(0);
      expect(second.nexus).toBe(1);
      await second.close();
      await first.close();
    });

    test('refuses a target that it does not have', async () => {
      const session = running.session('wrong', { targetName: `${TGT_TARGET}:other` });
      const error = await session.connect(LONG_MS).catch((reason: IscsiError) => reason);
      expect(error).toMatchObject({ failure: 'login', loginStatus: 0x0203 });
    });
  });

  test('keeps a labelled volume with fragments of ours, and where the next one goes', async () => {
    const running = await start();
    const session = running.session('volume');
    const library = await openMediaChanger({ transport: session.device(TGT_LUN.changer) });
    await library.move(TGT_ELEMENT.slot, TGT_ELEMENT.drive);
    const transport = session.device(TGT_LUN.drives[0]);
    const drive = await openTapeDrive({ transport, owner: { grantId: 'g', epoch: 1n } });
    expect(await readVolumeLabel(drive)).toEqual({ kind: 'blank' });
    const label = { mediaId: 'DISK01', assignedMs: 0n, pool: 'NetBackup' };
    await writeVolumeLabel(drive, label);
    let digest = new Uint8Array();
    for (const file of [1, 2]) {
      const blocks = sampleFragment({ backupId: 'filer1_1', copy: 1 }, file, 40);
      await drive.writeBlocks(asWrites(blocks));
      await drive.writeFilemarks(1, 'sync');
      digest = Buffer.from(openTrailerBlock(blocks.at(-1) ?? Buffer.alloc(0)).digest);
    }
    await drive.writeBlocks([{ parts: [Buffer.alloc(4096)] }]);
    const expected = { ...label, fileNumber: 3, object: null, digest };
    expect(await readVolumeLabel(drive)).toEqual({ kind: 'ours', label });
    const found = await verifyAppendPoint(drive, expected);
    expect(found).toMatchObject({ lastTrailer: { fileNumber: 2 }, unclosedTail: true });
    expect(await drive.position()).toMatchObject({ file: 3, block: 0 });
    const wrong = { ...expected, digest: Buffer.alloc(digest.length, 1) };
    await expect(verifyAppendPoint(drive, wrong)).rejects.toMatchObject({
      status: 'mediaPositionError',
    });
    await drive.close();
    await session.close();
    await running.stop();
  });

  test('may die in the middle of a block, and come back', async () => {
    const running = await start();
    const session = running.session('survivor');
    const library = await openMediaChanger({ transport: session.device(TGT_LUN.changer) });
    await library.move(TGT_ELEMENT.slot, TGT_ELEMENT.drive);
    const transport = session.device(TGT_LUN.drives[0]);
    const drive = await openTapeDrive({ transport, owner: { grantId: 'g', epoch: 1n } });
    const block = { parts: [Buffer.alloc(256 * 1024, 5)] };
    let written = 0;
    const writing = (async () => {
      for (;;) written += (await drive.writeBlocks([block, block])).written;
    })().catch((error: StatusError) => error.status);
    await expect.poll(() => written, { timeout: LONG_MS }).toBeGreaterThan(10);
    await running.tgt.stop();
    expect(await writing).toBe('mediaWriteError');
    await expect(drive.loadState()).rejects.toMatchObject({ status: 'mediaOpenError' });
    const again = await start({ port: running.tgt.port });
    await expect
      .poll(() => drive.loadState().catch(() => null), { timeout: LONG_MS })
      .toMatchObject({ loaded: false });
    await expect(drive.writeBlocks([block])).rejects.toMatchObject({ status: 'driveNotReady' });
    await session.close();
    await again.stop();
    await running.stop();
  });

  describe('with CHAP', () => {
    let running: Running;
    const outgoing = { user: 'library', secret: 'another-secret-of-it' };
    beforeAll(async () => {
      running = await start({ chap: { user: 'tape', secret: SECRET, outgoing } });
    });
    afterAll(() => running.stop());
    const own = { user: 'tape', secret: Buffer.from(SECRET) };
    const theirs = { user: 'library', secret: Buffer.from(outgoing.secret) };

    test.each([
      ['one side', own, 'in'],
      ['both sides', { ...own, target: theirs }, 'in'],
      ['a wrong secret', { ...own, secret: Buffer.from('some-other-secret') }, 0x0201],
      ['a target with a wrong secret', { ...own, target: { secret: Buffer.alloc(16, 1) } }, 0],
      ['nobody', undefined, 0x0201],
    ])('and a proof of %s', async (_, chap, expected) => {
      const session = running.session('chap', chap ? { chap } : {});
      const outcome = await session.connect(LONG_MS).then(
        () => 'in',
        (error: IscsiError) => error.loginStatus,
      );
      expect(outcome).toBe(expected);
      await session.close();
    });
  });
});

if (unavailable === undefined) {
  let running: Running | undefined;
  afterAll(() => running?.stop());

  driveConformance(
    'iSCSI, tgt',
    async () => {
      running ??= await start({
        parameters: {
          MaxRecvDataSegmentLength: '262144',
          MaxXmitDataSegmentLength: '262144',
          InitialR2T: 'No',
          FirstBurstLength: '262144',
          MaxBurstLength: '1048576',
        },
      });
      const { tgt, session } = running;
      const robot = session('robot');
      const library = await openMediaChanger({ transport: robot.device(TGT_LUN.changer) });
      await tgt.emptyTape(BARCODE);
      await library.move(TGT_ELEMENT.slot, TGT_ELEMENT.drive);
      const drives: Drive[] = [];
      return {
        open: async (owner) => {
          const own = session('drive');
          const transport = own.device(TGT_LUN.drives[0]);
          const drive = await openTapeDrive({ transport, owner, onClose: () => own.close() });
          drives.push(drive);
          return drive;
        },
        dispose: async () => {
          for (const drive of drives) await drive.close();
          await library.move(TGT_ELEMENT.drive, TGT_ELEMENT.slot);
          await robot.close();
        },
      };
    },
    // It has neither ERASE nor reservations, and its cartridges never end.
    { fence: false, media: false, erase: false },
  );

  libraryConformance(
    'iSCSI, tgt',
    async (barcodes) => {
      const own = await start({ barcodes });
      const libraries: Library[] = [];
      const open = async (): Promise<Library> => {
        const session = own.session(`view ${libraries.length}`);
        const transport = session.device(TGT_LUN.changer);
        const library = await openMediaChanger({ transport, onClose: () => session.close() });
        libraries.push(library);
        return library;
      };
      return {
        library: await open(),
        openDrive: null,
        reopen: open,
        dispose: async () => {
          for (const library of libraries) await library.close();
          await own.stop();
        },
      };
    },
    { emulated: false },
  );
}
