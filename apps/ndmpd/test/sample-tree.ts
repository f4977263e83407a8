// A directory tree with one of everything that a backup must survive.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

export const IS_ROOT = process.getuid?.() === 0;

export function makeSampleTree(root: string): void {
  const at = (name: string): string => join(root, name);
  for (const dir of ['', 'docs', 'docs/empty', 'data', 'odd', 'special']) {
    mkdirSync(at(dir), { recursive: true });
  }
  writeFileSync(at('docs/readme.txt'), 'hello\n', { mode: 0o640 });
  writeFileSync(at('docs/nothing'), '');
  writeFileSync(at('data/random.bin'), randomBytes(3_000_001));
  writeFileSync(at('data/block.bin'), randomBytes(512));
  linkSync(at('data/block.bin'), at('data/zz-same.bin'));
  linkSync(at('data/block.bin'), at('docs/linked.bin'));
  symlinkSync('../docs/readme.txt', at('data/link'));
  symlinkSync(`/absolute/${'far/'.repeat(60)}`, at('data/long-link'));
  makeSparse(at('data/sparse.img'));
  makeOddNames(root);
  execFileSync('mkfifo', [at('special/fifo')]);
  if (IS_ROOT) {
    execFileSync('mknod', [at('special/null'), 'c', '1', '3']);
    execFileSync('mknod', [at('special/disk'), 'b', '259', '70000']);
    execFileSync('chown', ['-h', '1234:5678', at('docs/readme.txt'), at('data/link')]);
  }
  execFileSync('chmod', ['4755', at('data/block.bin')]);
  execFileSync('chmod', ['1777', at('docs/empty')]);
  setTimes(root);
}

function makeSparse(path: string): void {
  const fd = openSync(path, 'w');
  writeSync(fd, 'start', 0);
  writeSync(fd, randomBytes(100_000), 0, 100_000, 8 * 1024 * 1024);
  ftruncateSync(fd, 64 * 1024 * 1024);
  closeSync(fd);
}

function makeOddNames(root: string): void {
  const odd = Buffer.from(`${root}/odd/`);
  const put = (name: Buffer | string, text: string): void =>
    writeFileSync(Buffer.concat([odd, Buffer.from(name)]), text);
  put('with space\tand\nnewline', 'a');
  put('größe-Ω-名前', 'b');
  put(Buffer.from([0x66, 0xff, 0xfe, 0x80]), 'not utf-8');
  put('-dash', 'c');
  put('x'.repeat(255), 'long');
  put(Buffer.alloc(250, 0xe9), 'long latin-1');
  const deep = join(root, 'odd', ...Array.from({ length: 40 }, (_, i) => `level-${i}-padding`));
  mkdirSync(deep, { recursive: true });
  writeFileSync(join(deep, 'bottom'), 'deep');
}

/** Times that only nanoseconds tell apart, one of them before 1970. */
function setTimes(root: string): void {
  const touch = (time: string, name: string): Buffer =>
    execFileSync('touch', ['-h', '-d', time, join(root, name)]);
  touch('2001-02-03 04:05:06.123456789', 'docs/readme.txt');
  touch('1969-12-31 23:59:58.25 UTC', 'docs/nothing');
  touch('2030-01-01 00:00:00.000000001', 'data/link');
  touch('2011-11-11 11:11:11.111111111', 'docs/empty');
  touch('2012-12-12 12:12:12.121212121', 'docs');
}
