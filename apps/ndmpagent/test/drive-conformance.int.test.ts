// The drive behind an NDMP host's TAPE service in the one suite for drives: with ndmpd and with NDMJOB, in every version.

import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NdmpClient, type NdmpVersion } from '@tapestry/ndmp';
import {
  createVirtualLibrary,
  type Drive,
  FIRST_ADDRESS,
  openVirtualLibrary,
} from '@tapestry/storage';
import { type DriveFixture, driveConformance } from '@tapestry/storage/conformance';
import { afterAll } from 'vitest';
import {
  NDMJOB_PASSWORD,
  NDMJOB_USER,
  type Ndmjob,
  ndmjobUnavailable,
  startNdmjob,
} from '../../../tools/peers/start-ndmjob.ts';
import { connectNdmp, type NdmpSocket } from '../src/adapters/ndmp-socket.ts';
import { NdmpDrive } from '../src/tape/ndmp-drive.ts';
import { openTapePort } from '../src/tape/tape-port.ts';
import { FILER_PASSWORD, FILER_USER, type FilerProcess, startFiler } from './agent-kit.ts';

/**
 * NDMP knows neither epochs nor an order to erase, and has its servers write the filemark that a DMA forgot; positions are
 * the device's own, as far as it tells them.
 */
const OF_NDMP = { fence: false, erase: false, marksEnd: true, blockBehindMark: false };
const VERSIONS: readonly NdmpVersion[] = [4, 3, 2];
const never = new AbortController().signal;
const root = mkdtempSync(join(tmpdir(), 'drive-conformance-'));
let ndmpd: Promise<FilerProcess> | undefined;
let ndmjob: Promise<Ndmjob> | undefined;
let cartridges = 0;

afterAll(async () => {
  await (await ndmpd)?.stop();
  await (await ndmjob)?.stop();
  rmSync(root, { recursive: true, force: true });
});

interface Host {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly device: string;
}

/** Sessions of one test, each with the drive open. */
class Sessions {
  readonly #open: { drive: Drive; client: NdmpClient; socket: NdmpSocket }[] = [];

  async drive(host: Host, versionMax: NdmpVersion): Promise<Drive> {
    const socket = await connectNdmp({ host: '127.0.0.1', port: host.port }, 10_000, never);
    const client = new NdmpClient({ transport: socket, callTimeoutMs: 20_000, handlers: {} });
    await client.connectOpen({ versionMax });
    await client.authMd5(host.user, host.password);
    const port = await openTapePort({
      ...{ client, device: host.device, writes: true, signal: never },
      ...{ loadTimeoutMs: 20_000, motionTimeoutMs: 20_000 },
    });
    const drive = new NdmpDrive(port, host.device);
    this.#open.push({ drive, client, socket });
    return drive;
  }

  async close(): Promise<void> {
    for (const { drive, client, socket } of this.#open.splice(0)) {
      await drive.close().catch(() => undefined);
      client.close();
      socket.destroy();
    }
  }
}

const LIBRARY = join(root, 'library');

async function startLibrary(): Promise<FilerProcess> {
  await createVirtualLibrary({ dir: LIBRARY, drives: 1, slots: 200, cartridges: [] });
  return startFiler(root, root, ['--library', LIBRARY]);
}

for (const version of VERSIONS) {
  driveConformance(
    `NDMP version ${version}, ndmpd`,
    async (wanted): Promise<DriveFixture> => {
      ndmpd ??= startLibrary();
      const { port } = await ndmpd;
      const library = await openVirtualLibrary(LIBRARY);
      cartridges += 1;
      const barcode = `C${String(cartridges).padStart(5, '0')}L8`;
      const slot = await library.addCartridge({ barcode, ...wanted });
      await library.move(slot, FIRST_ADDRESS.drive);
      const sessions = new Sessions();
      const host = { port, user: FILER_USER, password: FILER_PASSWORD, device: 'drive0' };
      return {
        open: () => sessions.drive(host, version),
        dispose: async () => {
          await sessions.close();
          await library.move(FIRST_ADDRESS.drive, slot);
          await library.close();
        },
      };
    },
    OF_NDMP,
  );
}

const unavailable = ndmjobUnavailable();
if (unavailable !== undefined) console.warn(`NDMJOB tests are skipped: ${unavailable}`);
for (const version of unavailable === undefined ? VERSIONS : []) {
  driveConformance(
    `NDMP version ${version}, NDMJOB`,
    async (): Promise<DriveFixture> => {
      ndmjob ??= startNdmjob({ dir: join(root, 'peer') });
      const { address, tape: device } = await ndmjob;
      truncateSync(device, 0);
      const sessions = new Sessions();
      const port = Number(address.slice(address.lastIndexOf(':') + 1));
      const host = { port, user: NDMJOB_USER, password: NDMJOB_PASSWORD, device };
      return { open: () => sessions.drive(host, version), dispose: () => sessions.close() };
    },
    // Its tapes are plain files, none of them protected or soon full.
    { ...OF_NDMP, media: false },
  );
}
