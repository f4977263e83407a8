// Every disk storage here against the suite of its port.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { diskConformance } from '../src/conformance/index.ts';
import { createFileDisk, createMemoryDisk, openFileDisk } from '../src/index.ts';

const MARKS = { highWaterPercent: 90, lowWaterPercent: 50 };

diskConformance('memory', async (limitBytes) => {
  const disk = createMemoryDisk({ limitBytes, ...MARKS });
  return { disk, reopen: async () => disk, dispose: async () => {} };
});

diskConformance('folder', async (limitBytes) => {
  const dir = mkdtempSync(join(tmpdir(), 'disk-'));
  await createFileDisk(dir);
  const open = () => openFileDisk({ dir, limitBytes, ...MARKS });
  const opened = [await open()];
  return {
    disk: opened[0]!,
    reopen: async () => {
      const disk = await open();
      opened.push(disk);
      return disk;
    },
    dispose: async () => {
      for (const disk of opened) await disk.close();
      rmSync(dir, { recursive: true });
    },
  };
});
