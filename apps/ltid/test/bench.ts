// ltid on a real bus and a real virtual library, with nbrb and nbemm faked.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Grant, GrantRef, Init } from '@tapestry/contracts';
import {
  type CartridgeSpec,
  createVirtualLibrary,
  openVirtualLibrary,
  type VirtualLibrary,
  virtualDrivePath,
} from '@tapestry/storage';
import { fakeService, startTestBus, startTestDaemon } from '@tapestry/testkit';
import { ltid } from '../src/daemon.ts';

export const ref = (epoch: bigint): Init<GrantRef> => ({
  ...{ attempt: { jobId: epoch, try: 1, step: 0 }, grantId: `g${epoch}`, epoch },
});

export type Bench = Awaited<ReturnType<typeof startBench>>;

/** One bus for all tests of a file; `fresh` makes a new library and a new daemon. */
export async function startBench(hosts: readonly [string, ...string[]] = ['media1']) {
  const bus = await startTestBus({ hosts: [...hosts] });
  const [host] = hosts;
  const asNbemm = await bus.as({ service: 'nbemm' });
  const nbrb = await fakeService(await bus.as({ service: 'nbrb' }), 'nbrb', {
    ReportDrives: async () => ({}),
    RenewGrants: async () => ({ invalid: [] }),
  });
  let dir = '';
  let forgotten = 0;
  const drive = (index: number, mediaServer: string = host) => ({
    ...{ name: `drive${index}`, index, density: 'hcart', mediaServer },
    ...{ path: virtualDrivePath(dir, index), robotNumber: 0, robotDrive: index + 1 },
  });
  const nbemm = await fakeService(asNbemm, 'nbemm', {
    RecordMediaEvent: async () => ({}),
    SetDriveState: async () => ({}),
    GetDevices: async ({ mediaServer }) => ({
      robots: [{ number: 0, type: 'TLD', controlHost: host, path: `vtl:${dir}` }],
      drives: [0, 1].map((index) => ({ drive: drive(index, mediaServer) })),
    }),
  });
  const volume = (mediaId: string) => ({ mediaId, barcode: `${mediaId}L8`, robotNumber: 0 });
  return {
    ...{ bus, nbrb, nbemm, drive },
    asNbemm: asNbemm.client('ltid', host),
    asCli: (await bus.as({ service: 'cli' })).client('ltid', host),
    bptm: (await bus.as({ service: 'bptm', host })).client('ltid', host),
    bptmOf: async (other: string) =>
      (await bus.as({ service: 'bptm', host: other })).client('ltid', other),
    grant: (
      epoch: bigint,
      mediaId: string,
      index = 0,
      mediaServer: string = host,
    ): Init<Grant> => ({
      ...{ ...ref(epoch), mediaServer, mode: 'DRIVE_MODE_WRITE' },
      ...{ drive: drive(index, mediaServer), volume: volume(mediaId) },
    }),
    /** What nbemm was told since `forget`. */
    events: (event: string) =>
      nbemm
        .requests('RecordMediaEvent')
        .slice(forgotten)
        .filter((request) => request.event === event),
    forget(): void {
      forgotten = nbemm.requests('RecordMediaEvent').length;
    },
    async fresh(cartridges: readonly CartridgeSpec[] = SCRATCH) {
      const root = mkdtempSync(join(tmpdir(), 'ltid-'));
      dir = join(root, 'library');
      await createVirtualLibrary({ dir, drives: 2, slots: 3, importExports: 2, cartridges });
      const library = await openVirtualLibrary(dir);
      const daemons: { stop(): Promise<unknown> }[] = [];
      return {
        ...{ dir, library },
        barcodes: () => barcodes(library),
        async start(env: Record<string, string> = {}, on: string = host) {
          mkdirSync(join(root, on), { recursive: true });
          const daemon = await startTestDaemon(ltid, bus, {
            ...{ host: on, stateDir: join(root, on) },
            env: { ...STEADY, ...env },
          });
          let stopping: Promise<unknown> | undefined;
          const once = { stop: () => (stopping ??= daemon.stop()) };
          daemons.push(once);
          return once;
        },
        async end() {
          for (const daemon of daemons) await daemon.stop();
          await library.close();
          rmSync(root, { recursive: true, force: true });
        },
      };
    },
  };
}

const SCRATCH = ['A00001L8', 'A00002L8'].map((barcode) => ({
  barcode,
  capacityBytes: 10_000_000,
}));
/** No writer of a test counts as silent, however slow the machine is, unless the test says after what time. */
const STEADY = {
  LTID_SILENT_MS: '600000',
  LTID_LOOK_EVERY_MS: '50',
  LTID_RENEW_AFTER_MS: '1',
  LTID_RETRY_PAUSE_MS: '1',
};

async function barcodes(library: VirtualLibrary): Promise<Record<string, string | null>> {
  const elements = await library.inventory();
  return Object.fromEntries(
    elements.map(({ type, index, barcode }) => [`${type}${index}`, barcode]),
  );
}
