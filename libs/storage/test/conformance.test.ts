// Every implementation here against the suites of both ports.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CleaningWanted,
  driveConformance,
  libraryConformance,
} from '../src/conformance/index.ts';
import type { Drive } from '../src/index.ts';
import {
  createMemoryLibrary,
  createVirtualLibrary,
  FIRST_ADDRESS,
  openVirtualDrive,
  openVirtualLibrary,
} from '../src/index.ts';

const LAYOUT = { drives: 2, slots: 4, importExports: 1 };
const MIB = 1024 * 1024;

driveConformance('memory', async (wanted) => {
  const library = createMemoryLibrary({ ...LAYOUT, cartridges: [{ barcode: 'T1', ...wanted }] });
  await library.move(FIRST_ADDRESS.slot, FIRST_ADDRESS.drive);
  return { open: (owner) => library.openDrive(0, owner), dispose: async () => {} };
});

// Small segments, so that each test crosses their borders.
for (const segmentBytes of [MIB, 1024 * MIB]) {
  driveConformance(`virtual, segments of ${segmentBytes / MIB} MiB`, async (wanted) => {
    const dir = mkdtempSync(join(tmpdir(), 'vtl-'));
    const cartridges = [{ barcode: 'T1', segmentBytes, ...wanted }];
    await createVirtualLibrary({ dir, ...LAYOUT, cartridges });
    const library = await openVirtualLibrary(dir);
    await library.move(FIRST_ADDRESS.slot, FIRST_ADDRESS.drive);
    const drives: Drive[] = [];
    return {
      open: async (owner) => {
        const drive = await openVirtualDrive({ libraryDir: dir, driveIndex: 0, owner });
        drives.push(drive);
        return drive;
      },
      dispose: async () => {
        for (const drive of drives) await drive.close().catch(() => {});
        await library.close();
        rmSync(dir, { recursive: true });
      },
    };
  });
}

function cartridgesOf(barcodes: readonly string[], cleaning?: CleaningWanted) {
  const data = barcodes.map((barcode) => ({ barcode, capacityBytes: MIB }));
  return cleaning ? [...data, { ...cleaning, kind: 'cleaning' as const, capacityBytes: 0 }] : data;
}

libraryConformance('memory', async (barcodes, cleaning) => {
  const cartridges = cartridgesOf(barcodes, cleaning);
  const library = createMemoryLibrary({ ...LAYOUT, cartridges });
  return {
    library,
    openDrive: library.openDrive,
    faults: { add: (fault) => library.addFault(fault), clear: () => library.clearFaults() },
    reopen: async () => library,
    dispose: async () => {},
  };
});

libraryConformance('virtual', async (barcodes, cleaning) => {
  const dir = mkdtempSync(join(tmpdir(), 'vtl-'));
  const cartridges = cartridgesOf(barcodes, cleaning);
  await createVirtualLibrary({ dir, ...LAYOUT, cartridges });
  const library = await openVirtualLibrary(dir);
  const opened = [library];
  const drives: Drive[] = [];
  return {
    library,
    faults: { add: (fault) => library.addFault(fault), clear: () => library.clearFaults() },
    openDrive: async (driveIndex, owner) => {
      const drive = await openVirtualDrive({ libraryDir: dir, driveIndex, owner });
      drives.push(drive);
      return drive;
    },
    reopen: async () => {
      const library = await openVirtualLibrary(dir);
      opened.push(library);
      return library;
    },
    dispose: async () => {
      for (const drive of drives) await drive.close().catch(() => {});
      for (const library of opened) await library.close();
      rmSync(dir, { recursive: true });
    },
  };
});
