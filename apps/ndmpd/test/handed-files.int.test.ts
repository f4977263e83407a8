// Small files that are handed to the attribute helper to make: nobody can tell them from those that are made here, in
// data, order, rights or times.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RECOVERY_STATUS } from '@tapestry/ndmp';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import {
  END_OF_ARCHIVE,
  encodeMember,
  type Member,
  type MemberType,
  paddingOf,
} from '../src/core/tar-encode.ts';
import {
  backUp,
  describeTree,
  makeWorkspace,
  nameEntry,
  PASSWORD,
  recover,
  USER,
} from './harness.ts';
import { takeImage } from './in-process.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const NOBODY = 65534;
const workspace = makeWorkspace();
afterAll(() => workspace.remove());
const isRoot = process.getuid?.() === 0;
const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

interface Wanted {
  readonly type: MemberType;
  readonly folder: number;
  readonly name: number;
  readonly size: number;
}

const mtimeNsOf = (number: number): bigint => 1_700_000_000_000_000_001n + BigInt(number);

/** `number` tells the members of one path apart. */
function memberOf({ type, folder, name, size }: Wanted, number: number): Buffer {
  const path = Buffer.from(`d${folder}/f${name}`);
  const member: Member = {
    ...{ type, path, mode: 0o640, ...own, size: type === 'file' ? size : 0 },
    mtimeNs: mtimeNsOf(number),
    ...(type === 'symlink' ? { linkTarget: Buffer.from(`to-${number}`) } : {}),
    ...(type === 'hardlink' ? { linkTarget: Buffer.from(`d${folder}/first`) } : {}),
  };
  const data = Buffer.alloc(member.size, `data of ${number} `);
  return Buffer.concat([encodeMember(member), data, Buffer.alloc(paddingOf(member.size))]);
}

/** Folders first, each with a file that others may be links to. */
function imageOf(members: readonly Wanted[]): Buffer {
  const parts: Buffer[] = [];
  for (const folder of [0, 1]) {
    const path = Buffer.from(`d${folder}`);
    parts.push(
      encodeMember({
        ...{ type: 'directory', path, mode: 0o755, ...own, size: 0, mtimeNs: 1n },
      }),
      encodeMember({
        ...{ type: 'file', path: Buffer.from(`d${folder}/first`), mode: 0o600, ...own, size: 0 },
        mtimeNs: 10n ** 18n + 1n,
      }),
      ...members.flatMap((one, i) => (one.folder === folder ? [memberOf(one, i)] : [])),
    );
  }
  return Buffer.concat([...parts, END_OF_ARCHIVE]);
}

const wanted: fc.Arbitrary<Wanted> = fc.record({
  type: fc.constantFrom<MemberType>('file', 'file', 'file', 'file', 'file', 'symlink', 'hardlink'),
  folder: fc.nat(1),
  name: fc.nat(12),
  size: fc.oneof(fc.nat(2000), fc.nat(2000), fc.nat(100_000)),
});

test('of several members of one path the last one stays', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(wanted, { minLength: 20, maxLength: 120, size: 'max' }),
      fc.constantFrom(512, 10_000, 1_000_000),
      async (members, pieceBytes) => {
        const root = mkdtempSync(workspace.file('twice-'));
        const { logs } = await takeImage(imageOf(members), root, {}, pieceBytes);
        expect(logs).toEqual([]);
        const last = new Map(members.map((one, i) => [`d${one.folder}/f${one.name}`, i]));
        for (const [path, number] of last) {
          const { type, folder, size } = members[number] as Wanted;
          const place = `${root}/${path}`;
          if (type === 'symlink') expect(readlinkSync(place)).toBe(`to-${number}`);
          if (type === 'hardlink') {
            expect(statSync(place).ino).toBe(statSync(`${root}/d${folder}/first`).ino);
          }
          if (type !== 'file') continue;
          expect(readFileSync(place).equals(Buffer.alloc(size, `data of ${number} `))).toBe(true);
          expect(statSync(place, { bigint: true }).mtimeNs).toBe(mtimeNsOf(number));
        }
      },
    ),
    { numRuns: 30, endOnFailure: true },
  );
});

test('a directory in the way is told, and stops nobody else', async () => {
  const root = workspace.file('obstructed');
  for (const name of ['f3', 'f7']) mkdirSync(`${root}/d0/${name}`, { recursive: true });
  writeFileSync(`${root}/d0/f4`, 'overwritten');
  const members = Array.from({ length: 10 }, (_, name) => name).map((name): Wanted => {
    return { type: 'file', folder: 0, name, size: 100 };
  });
  const { logs, elements } = await takeImage(imageOf(members), root);
  expect(logs.map((line) => line.split(' ')[0])).toEqual(['/to/d0/f3', '/to/d0/f7']);
  expect(logs[1]).toContain('was not recovered: EEXIST');
  expect(elements).toEqual([['', RECOVERY_STATUS.failedPathExists]]);
  for (const name of [0, 1, 2, 4, 5, 6, 8, 9]) {
    expect(readFileSync(`${root}/d0/f${name}`, 'utf8')).toContain(`data of ${name} `);
  }
});

test('times of access come back where an image has them, as those of GNU tar do', async () => {
  const [from, root] = [workspace.file('read-once'), workspace.file('read-again')];
  mkdirSync(`${from}/d`, { recursive: true });
  mkdirSync(root);
  for (const [i, size] of [0, 10, 10, 3000, 20_000, 200_000].entries()) {
    writeFileSync(`${from}/d/f${i}`, Buffer.alloc(size, 'x'));
  }
  symlinkSync('f1', `${from}/d/link`);
  const names = ['f0', 'f1', 'f2', 'f3', 'f4', 'f5', 'link'].map((name) => `d/${name}`);
  execFileSync('touch', ['-h', '-a', '-d', '2020-03-04 05:06:07.123456789', ...names], {
    cwd: from,
    env: { ...process.env, TZ: 'UTC' },
  });
  const image = execFileSync('tar', ['--format=posix', '--atime-preserve', '-cf', '-', 'd'], {
    ...{ cwd: from, maxBuffer: 10_000_000 },
  });
  const { logs } = await takeImage(image, root);
  expect(logs).toEqual([]);
  for (const name of names) {
    const [made, original] = [root, from].map((top) =>
      lstatSync(`${top}/${name}`, { bigint: true }),
    );
    expect(made?.atimeNs).toBe(1_583_298_367_123_456_789n);
    expect(made?.mtimeNs).toBe(original?.mtimeNs);
  }
});

function startAs(uid: number, exports: string[]): ChildProcess {
  const asUser = [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--bounding-set=-all'];
  const listen = ['--listen', '127.0.0.1:0', '--user', USER];
  const password = ['--password-file', workspace.file('password')];
  const args = [...asUser, process.execPath, MAIN, ...listen, ...password, ...exports];
  return spawn('setpriv', args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

test('a user without any rights fills folders that he then may not write into', async (context) => {
  context.skip(!isRoot, 'only root may become another user');
  const [data, back] = [workspace.file('data'), workspace.file('back')];
  for (let folder = 0; folder < 3; folder += 1) {
    mkdirSync(`${data}/closed${folder}`, { recursive: true });
    for (let i = 0; i < 100; i += 1) writeFileSync(`${data}/closed${folder}/file${i}`, `${i}`);
    for (let i = 0; i < 100; i += 1) chownSync(`${data}/closed${folder}/file${i}`, NOBODY, NOBODY);
    chownSync(`${data}/closed${folder}`, NOBODY, NOBODY);
    chmodSync(`${data}/closed${folder}`, 0o555);
  }
  mkdirSync(back);
  chmodSync(dirname(data), 0o755);
  for (const folder of [data, back]) chownSync(folder, NOBODY, NOBODY);
  writeFileSync(workspace.file('password'), PASSWORD);
  const ndmpd = startAs(NOBODY, ['--export', `data=${data}`, '--export', `back=${back}`]);
  try {
    const [line] = await once(ndmpd.stdout as NodeJS.ReadableStream, 'data', {
      signal: AbortSignal.timeout(30_000),
    });
    const { address } = JSON.parse(String(line)) as { address: string };
    const { image, env } = await backUp(address, { FILESYSTEM: '/data', HIST: 'n' });
    const restored = await recover(address, image, env, [nameEntry('/', '/back')]);
    expect(restored.dma.logText).toBe('');
    expect(describeTree(back)).toEqual(describeTree(data));
  } finally {
    ndmpd.kill();
  }
});
