// Files read ahead by the attribute helper: the same stream as without, whatever the tree holds, and nothing from
// outside it, whatever happens between a look and the next.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { arch } from 'node:os';
import { FILE_TYPE } from '@tapestry/ndmp';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { CALL_NUMBERS } from '../src/adapters/attribute-script.ts';
import { withAhead, withFaults } from './faulty-tree.ts';
import { makeWorkspace } from './harness.ts';
import { type MadeImage, makeImage, takeImage } from './in-process.ts';
import { makeSampleTree } from './sample-tree.ts';

const workspace = makeWorkspace();
const home = process.cwd();
const source = workspace.file('source');
const target = workspace.file('target');
const outside = workspace.file('outside');

beforeEach(() => {
  process.chdir(workspace.path);
  for (const root of [source, target, outside]) {
    rmSync(root, { recursive: true, force: true });
    mkdirSync(root);
  }
  writeFileSync(`${outside}/secret`, 'secret');
});
afterAll(() => {
  process.chdir(home);
  workspace.remove();
});

/** With files read ahead, and with every call made in its turn. */
async function bothWays(order: Parameters<typeof makeImage>[1]): Promise<MadeImage[]> {
  const asked: string[] = [];
  const ahead = await makeImage(
    source,
    order,
    withAhead((names) => asked.push(...names)),
  );
  expect(asked.length).toBeGreaterThan(0);
  const inTurn = await makeImage(
    source,
    order,
    withFaults(() => {}),
  );
  process.chdir(workspace.path);
  return [ahead, inTurn];
}

function makeManyKinds(): void {
  makeSampleTree(source);
  mkdirSync(`${source}/many`);
  for (let i = 0; i < 700; i += 1) {
    const path = `${source}/many/file-${i}`;
    writeFileSync(path, randomBytes(i % 3 === 0 ? 0 : i), { mode: i % 2 === 0 ? 0o600 : 0o644 });
    if (i % 5 === 0) utimesSync(path, i, 1_500_000_000 + i);
  }
  for (let i = 0; i < 700; i += 100) linkSync(`${source}/many/file-${i}`, `${source}/many/z-${i}`);
  mkdirSync(`${source}/more-than-a-group`);
  for (let i = 0; i < 40; i += 1) {
    writeFileSync(`${source}/more-than-a-group/${i}`, randomBytes(65_536 - (i % 3)));
  }
  writeFileSync(`${source}/more-than-a-group/larger`, randomBytes(65_537));
  for (let i = 0; i < 50; i += 1)
    mkdirSync(`${source}/many/directory-${i}/empty`, { recursive: true });
}

test.each(['file', 'dir'] as const)(
  'the stream is the same, with history by %s',
  async (history) => {
    makeManyKinds();
    const posted: MadeImage[] = await bothWays({ history });
    const [ahead, inTurn] = posted as [MadeImage, MadeImage];
    expect(ahead.image.equals(inTurn.image)).toBe(true);
    expect(inKinds(ahead)).toEqual(inKinds(inTurn));
    expect([ahead.logs, ahead.failed]).toEqual([[], 0]);
    expect([inTurn.logs, inTurn.failed]).toEqual([[], 0]);
  },
);

/** When the posts of one kind go out between those of the other is a matter of time. */
function inKinds({ entries }: MadeImage): object[][] {
  const isName = (entry: object): boolean => 'parent' in entry;
  const others = entries.filter((entry) => !isName(entry));
  return [entries.filter(isName), others.map(steady)];
}

/** A backup moves the access times of folders and of links. */
function steady(entry: MadeImage['entries'][number]): object {
  if (!('stat' in entry) || entry.stat.type === FILE_TYPE.regular) return entry;
  return { ...entry, stat: { ...entry.stat, atime: 0 } };
}

test('patterns leave the same out', async () => {
  makeManyKinds();
  const [ahead, inTurn] = await bothWays({ exclude: ['file-?', 'docs'], include: [] });
  expect(ahead?.image.equals(inTurn?.image ?? Buffer.alloc(0))).toBe(true);
  const [some, same] = await bothWays({ include: ['many/file-1*', 'data/*'] });
  expect(some?.image.equals(same?.image ?? Buffer.alloc(0))).toBe(true);
});

test('attributes go with files that are read ahead, even more than have room', async ({ skip }) => {
  const names = Array.from({ length: 300 }, (_, i) => `f${i}`);
  for (const name of names) writeFileSync(`${source}/${name}`, name.repeat(300));
  try {
    setAttributes(names.map((name) => `${source}/${name}`));
  } catch {
    skip('this file system keeps no such attributes');
  }
  const [ahead, inTurn] = await bothWays({});
  expect(ahead?.image.equals(inTurn?.image ?? Buffer.alloc(0))).toBe(true);
  expect(ahead?.image.length).toBeGreaterThan(names.length * ATTRIBUTE_BYTES);
});

/** Together more than one answer of the helper holds. */
const ATTRIBUTE_BYTES = 3500;

function setAttributes(paths: readonly string[]): void {
  const bytes = `my ($n, $v) = ('user.long', 'x' x ${ATTRIBUTE_BYTES});`;
  const call = `syscall(${CALL_NUMBERS[arch()]?.[2]}, $_, $n, $v, ${ATTRIBUTE_BYTES}, 0) == 0 or exit 1`;
  execFileSync('perl', ['-e', `${bytes} ${call} for @ARGV`, ...paths]);
}

/** What happens to a file between its listing and the look at it. */
const EVENTS: readonly [string, () => void, string[]][] = [
  ['vanishes', () => unlinkSync(`${source}/b`), ['/home/b vanished during the backup']],
  [
    'becomes a link that leads outside',
    () => {
      unlinkSync(`${source}/b`);
      symlinkSync(`${outside}/secret`, `${source}/b`);
    },
    ['/home/b cannot be opened: ELOOP'],
  ],
  [
    'becomes a pipe',
    () => {
      unlinkSync(`${source}/b`);
      execFileSync('mkfifo', [`${source}/b`]);
    },
    ['/home/b was replaced during the backup'],
  ],
  [
    'becomes a folder',
    () => {
      unlinkSync(`${source}/b`);
      mkdirSync(`${source}/b`);
    },
    ['/home/b was replaced during the backup'],
  ],
  ['grows', () => writeFileSync(`${source}/b`, 'longer than it was'), []],
  ['shrinks', () => truncateSync(`${source}/b`, 1), []],
];

test.each(EVENTS)('a file that %s', async (_what, act, logs) => {
  for (const name of ['a', 'b', 'c']) writeFileSync(`${source}/${name}`, `this is ${name}`);
  let isDone = false;
  const made = await makeImage(
    source,
    {},
    withAhead((names) => {
      if (isDone || !names.includes('fb')) return;
      isDone = true;
      act();
    }),
  );
  process.chdir(workspace.path);
  expect(isDone).toBe(true);
  expect(made.logs).toEqual(logs);
  expect(made.image.includes('secret')).toBe(false);
  expect((await takeImage(made.image, target)).logs).toEqual([]);
  process.chdir(workspace.path);
  const isThere = logs.length === 0;
  expect(readdirSync(target)).toEqual(isThere ? ['a', 'b', 'c'] : ['a', 'c']);
  for (const name of ['a', 'c'])
    expect(`${readFileSync(`${target}/${name}`)}`).toBe(`this is ${name}`);
  if (isThere) expect(readFileSync(`${target}/b`)).toEqual(readFileSync(`${source}/b`));
});

test('a folder that is exchanged for a link is never left', async () => {
  mkdirSync(`${source}/folder`);
  writeFileSync(`${source}/folder/secret`, 'harmless');
  writeFileSync(`${source}/x`, 'x');
  let isDone = false;
  const made = await makeImage(
    source,
    {},
    withAhead((names) => {
      if (isDone || !names.includes('fsecret')) return;
      isDone = true;
      renameSync(`${source}/folder`, `${workspace.path}/moved`);
      symlinkSync(outside, `${source}/folder`);
    }),
  );
  process.chdir(workspace.path);
  rmSync(`${workspace.path}/moved`, { recursive: true });
  expect(isDone).toBe(true);
  expect(made.logs).toEqual([]);
  expect(made.image.includes('harmless')).toBe(true);
});

test('without its helper a backup fails, and does not hang', async () => {
  for (let i = 0; i < 2000; i += 1) writeFileSync(`${source}/${i}`, 'x');
  let asks = 0;
  const failed = makeImage(
    source,
    {},
    withAhead((_names, tree) => {
      asks += 1;
      if (asks === 3) process.kill(tree.attributes.pid ?? 0, 'SIGKILL');
    }),
  );
  await expect(failed).rejects.toThrow('the attribute helper ended');
  process.chdir(workspace.path);
});
