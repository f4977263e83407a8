// Run as a process of its own and killed: writes files of blocks for ever, says on stdout what it is about to overwrite
// and what a synchronous filemark acknowledged. Arguments: library folder, epoch, seed.

// Not from index.ts: two hundred of these are started.
import { openVirtualDrive } from '../src/virtual/virtual-drive.ts';

const [libraryDir = '', epoch = '1', seed = '1'] = process.argv.slice(2);
const drive = await openVirtualDrive({
  libraryDir,
  driveIndex: 0,
  owner: { grantId: 'crash', epoch: BigInt(epoch) },
});

let state = Number(seed);
function draw(below: number): number {
  state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
  return Math.floor(state / 65_536) % below;
}

await drive.locate('endOfData');
let { file, block } = await drive.position();
for (;;) {
  // What the writer before did not finish is overwritten; without that, the first write goes on where it died.
  if (block > 0 || (file > 0 && draw(6) === 0)) {
    file = block > 0 ? file : draw(file);
    block = 0;
    process.stdout.write(`cut ${file}\n`);
    await drive.locate({ file, block: 0 });
  }
  const blocks = 1 + draw(20);
  const stamp = draw(250);
  for (let i = 0; i < blocks; i++) {
    drive.writeBlocksSync([{ parts: [Buffer.alloc(20_000 + draw(3) * 100, stamp)] }]);
  }
  drive.writeFilemarksSync(1, 'sync');
  process.stdout.write(`file ${file} ${blocks} ${stamp}\n`);
  file += 1;
}
