// A virtual library in a temporary folder with one cartridge in drive 0, for the tests of the file implementation.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CartridgeSpec,
  createVirtualLibrary,
  FIRST_ADDRESS,
  type OpenVirtualDriveOptions,
  openVirtualDrive,
  openVirtualLibrary,
  type VirtualDrive,
} from '../src/index.ts';

export const MIB = 1024 * 1024;

export interface VirtualBench {
  readonly dir: string;
  readonly cartridgeDir: string;
  /** Each call takes the drive under the next epoch, over whoever has it. */
  open(options?: Partial<OpenVirtualDriveOptions>): Promise<VirtualDrive>;
  /** Segment files, oldest first, with their paths. */
  segments(): string[];
  dispose(): Promise<void>;
}

export async function makeVirtualBench(spec: Partial<CartridgeSpec> = {}): Promise<VirtualBench> {
  const dir = mkdtempSync(join(tmpdir(), 'vtl-'));
  const barcode = 'T1';
  const cartridges = [{ barcode, capacityBytes: 512 * MIB, segmentBytes: MIB, ...spec }];
  await createVirtualLibrary({ dir, drives: 2, slots: 2, cartridges });
  const library = await openVirtualLibrary(dir);
  await library.move(FIRST_ADDRESS.slot, FIRST_ADDRESS.drive);
  await library.close();
  const cartridgeDir = join(dir, 'cartridges', barcode);
  const drives: VirtualDrive[] = [];
  let epoch = 0n;
  return {
    dir,
    cartridgeDir,
    open: async (options = {}) => {
      epoch += 1n;
      const owner = { grantId: `g${epoch}`, epoch };
      const drive = await openVirtualDrive({ libraryDir: dir, driveIndex: 0, owner, ...options });
      drives.push(drive);
      return drive;
    },
    segments: () =>
      readdirSync(cartridgeDir)
        .filter((name) => name.startsWith('seg-'))
        .sort()
        .map((name) => join(cartridgeDir, name)),
    dispose: async () => {
      for (const drive of drives) await drive.close().catch(() => {});
      rmSync(dir, { recursive: true });
    },
  };
}

/** The tape as text: blocks by their first byte and length, `*` for a filemark, `!` for one that cannot be read. */
export async function tapeText(drive: VirtualDrive): Promise<string> {
  await drive.rewind();
  const into = Buffer.alloc(2 * MIB);
  const seen: string[] = [];
  for (;;) {
    try {
      const result = await drive.readBlock(into);
      if (result.kind === 'endOfData') return seen.join(' ');
      seen.push(result.kind === 'block' ? `${into[0]}:${result.lengthBytes}` : '*');
    } catch {
      const { object } = await drive.position();
      seen.push('!');
      // A suspect tape fails at its end for good.
      if (seen.length > (object ?? 0)) return seen.join(' ');
    }
  }
}

export function blockOf(seed: number, bytes: number) {
  return { parts: [Buffer.alloc(bytes, seed)] };
}
