// Run as a process of its own: writes a fragment to a disk storage unit, does not commit it, says so, and waits to be killed.
// Argument: the unit's folder.

import { asWrites, sampleFragment } from '../src/conformance/sample-fragment.ts';
import { openFileDisk } from '../src/disk/file-disk.ts';

const [dir = ''] = process.argv.slice(2);
const image = { backupId: 'a_1', copy: 1 };
const disk = await openFileDisk({ dir });
const sink = await disk.write(image, { grantId: 'g', epoch: 5n });
await sink.writeBlocks(asWrites(sampleFragment(image, 1, 3)));
process.stdout.write('written\n');
setInterval(() => undefined, 60_000);
