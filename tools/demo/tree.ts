// Makes the folder that the demo protects: some 5,000 files and 500 MB with what real filers hold, from a seed, so
// that every run and every machine sees the same tree.

import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

export interface TreeSize {
  readonly files: number;
  readonly bytes: number;
}

export const DEMO_SIZE: TreeSize = { files: 5_000, bytes: 500_000_000 };

const WORDS = [
  'report',
  'draft',
  'ledger',
  'photo',
  'scan',
  'plan',
  'notes',
  'archive',
  'model',
  'sample',
];
const FOLDERS = ['finance', 'design', 'research', 'home', 'projects', 'media', 'mail', 'legal'];
/** Big files take this share of the bytes, as they do on filers. */
const BIG_SHARE = 0.7;
const BIG_FILES = 14;

/** mulberry32: small, and the same everywhere. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Fills an empty or missing folder. */
export function makeTree(root: string, size: TreeSize = DEMO_SIZE, seed = 1): void {
  const random = randomFrom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const block = Buffer.alloc(4 * 1024 * 1024);
  for (let at = 0; at < block.length; at += 4) block.writeUInt32LE((random() * 2 ** 32) >>> 0, at);
  const folders = makeFolders(root, random);
  const bigFiles = Math.min(BIG_FILES, Math.ceil(size.files / 10));
  const smallFiles = Math.max(1, size.files - bigFiles - SPECIAL_FILES);
  const smallBytes = (size.bytes * (1 - BIG_SHARE)) / smallFiles;
  for (let n = 0; n < smallFiles; n += 1) {
    const file = join(pick(folders), `${pick(WORDS)}-${n}.${pick(['txt', 'pdf', 'xml', 'jpg'])}`);
    // Many small ones and few larger: the mean stays smallBytes.
    writeRandom(file, Math.floor(smallBytes * 2 * random()), block, random);
    dress(file, random);
  }
  for (let n = 0; n < bigFiles; n += 1) {
    const file = join(pick(folders), `volume-${n}.img`);
    writeRandom(file, Math.floor((size.bytes * BIG_SHARE) / bigFiles), block, random);
    dress(file, random);
  }
  makeSpecialFiles(root, folders);
  // Last, because a file made inside a folder moves the folder's time.
  for (const folder of [...folders].sort().reverse()) {
    chmodSync(folder, random() < 0.2 ? 0o750 : 0o755);
    const seconds = 1_600_000_000 + Math.floor(random() * 1e8);
    utimesSync(folder, seconds, seconds + 0.25);
  }
}

function makeFolders(root: string, random: () => number): string[] {
  const folders = [root];
  mkdirSync(root, { recursive: true });
  for (const top of FOLDERS) {
    for (let n = 0; n < 12; n += 1) {
      const depth = 1 + Math.floor(random() * 5);
      const folder = join(
        root,
        top,
        ...Array.from({ length: depth }, (_e, i) => `level${i}-${(n * 7 + i) % 9}`),
      );
      mkdirSync(folder, { recursive: true });
      for (let each = folder; each !== root; each = dirname(each)) {
        if (!folders.includes(each)) folders.push(each);
      }
    }
  }
  return folders;
}

function writeRandom(file: string, bytes: number, block: Buffer, random: () => number): void {
  const fd = openSync(file, 'w');
  let left = bytes;
  while (left > 0) {
    const from = Math.floor(random() * (block.length / 2));
    left -= writeSync(fd, block, from, Math.min(left, block.length - from));
  }
  closeSync(fd);
}

function dress(file: string, random: () => number): void {
  if (random() < 0.15) chmodSync(file, [0o600, 0o640, 0o755, 0o444][Math.floor(random() * 4)]!);
  // A fraction that a double holds exactly, so that the time on disk is the one meant.
  const seconds = 1_500_000_000 + Math.floor(random() * 2e8);
  utimesSync(file, seconds, seconds + Math.floor(random() * 1024) / 1024);
}

const SPECIAL_FILES = 12;

/** Links, holes, and names that trouble bad programs. */
function makeSpecialFiles(root: string, folders: string[]): void {
  const folder = join(root, 'special');
  mkdirSync(join(folder, 'an empty folder'), { recursive: true });
  folders.push(folder, join(folder, 'an empty folder'));
  const write = (name: string, text: string): string => {
    const file = join(folder, name);
    writeFileSync(file, text);
    return file;
  };
  const original = write('original.txt', 'one file, three names\n');
  linkSync(original, join(folder, 'hard link 1.txt'));
  linkSync(original, join(folder, 'hard link 2.txt'));
  symlinkSync('original.txt', join(folder, 'symbolic link'));
  symlinkSync('/nowhere/at/all', join(folder, 'dangling link'));
  symlinkSync('x'.repeat(1_000), join(folder, 'link with a long target'));
  lutimesSync(join(folder, 'symbolic link'), 1_600_000_000, 1_600_000_000.5);
  write('empty', '');
  write('Grüße aus Zürich – 日本語 – Ελληνικά – 😀.txt', 'names in any script\n');
  write(`${'long name '.repeat(24)}.txt`, 'a name of 244 bytes\n');
  write('with\nnewline\tand "quotes" \\ and *', 'odd signs\n');
  makeSparse(join(folder, 'sparse.img'));
}

/** 256 MB to look at, a few blocks on disk: data at the start, in the middle and at the end. */
function makeSparse(file: string): void {
  writeFileSync(file, '');
  truncateSync(file, 256 * 1024 * 1024);
  const fd = openSync(file, 'r+');
  for (const at of [0, 100 * 1024 * 1024, 256 * 1024 * 1024 - 4_096]) {
    writeSync(fd, Buffer.alloc(4_096, `data at ${at}`), 0, 4_096, at);
  }
  fsyncSync(fd);
  closeSync(fd);
}
