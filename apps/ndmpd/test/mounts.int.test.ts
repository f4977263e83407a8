// What is mounted below an export stays out of backups and untouched by recoveries: real mounts, in a
// mount namespace of a process of its own, where the host lets anybody make one.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeWorkspace } from './harness.ts';

const workspace = makeWorkspace();
const source = workspace.file('source');
const target = workspace.file('target');
const elsewhere = workspace.file('elsewhere');
/** Root needs no user namespace, in which some file systems cannot be mounted. */
const UNSHARE = process.getuid?.() === 0 ? ['-m'] : ['-U', '-r', '-m'];
const IN_PROCESS = new URL('./in-process.ts', import.meta.url).href;

const mountTest = (): string | undefined => {
  const script = `mount -t tmpfs none "$1" && mount --bind "$1" "$1"`;
  const args = [...UNSHARE, 'sh', '-c', script, 'sh', elsewhere];
  const { status, stderr, error } = spawnSync('unshare', args, { encoding: 'utf8' });
  return status === 0 ? undefined : (error?.message ?? stderr);
};

beforeAll(() => {
  for (const name of ['own', 'tmp', 'bound', 'bound/inner']) {
    mkdirSync(`${source}/${name}`, { recursive: true });
  }
  mkdirSync(target);
  mkdirSync(elsewhere);
  writeFileSync(`${source}/own/file`, 'own');
  writeFileSync(`${source}/tmp/covered`, 'covered');
  writeFileSync(`${source}/bound/inner/file`, 'below');
  writeFileSync(`${source}/config`, 'own');
  writeFileSync(`${elsewhere}/secret`, 'not for export');
});
afterAll(() => workspace.remove());

/** Runs mount commands, then a module with both runs at hand, in a mount namespace; what it printed. */
function inNamespace(mounts: string, module: string): unknown {
  const whole = `import { makeImage, takeImage } from '${IN_PROCESS}';
    import * as fs from 'node:fs';
    const [source, target, elsewhere] = process.argv.slice(1);
    const result = await (async () => { ${module} })();
    process.stdout.write(JSON.stringify(result));`;
  const script = `set -e; ${mounts}; shift 0
    exec "$NODE" --input-type=module -e "$MODULE" "$1" "$2" "$3"`;
  const args = [...UNSHARE, 'sh', '-c', script, 'sh', source, target, elsewhere];
  const env = { ...process.env, NODE: process.execPath, MODULE: whole };
  return JSON.parse(execFileSync('unshare', args, { encoding: 'utf8', env, cwd: workspace.path }));
}

const MOUNT_SOURCE = `mount -t tmpfs none "$1/tmp"; echo secret > "$1/tmp/secret"
  mount --bind "$3" "$1/bound"; mount --bind "$3/secret" "$1/config"`;

test('a backup saves the place of a mount and nothing of what is mounted', ({ skip }) => {
  const why = mountTest();
  skip(why !== undefined, `no mounts here: ${why}`);
  const saved = inNamespace(
    MOUNT_SOURCE,
    `const { history, logs, failed, image } = await makeImage(source);
    return [history.map(({ name }) => String(name)), logs, failed, image.includes('not for export')];`,
  );
  const names = ['/', '/bound', '/own', '/own/file', '/tmp'];
  const logs = ['/home/config is another file system and was left out'];
  expect(saved).toEqual([names, logs, 0, false]);
});

test('a recovery does not write into what is mounted, nor remove from it', ({ skip }) => {
  const why = mountTest();
  skip(why !== undefined, `no mounts here: ${why}`);
  const [first, second, files] = inNamespace(
    `mkdir -p "$2/bound" "$2/gone" "$2/tmp" "$2/zz"
    mount --bind "$3" "$2/bound"; mount --bind "$3" "$2/gone"; mount -t tmpfs none "$2/tmp"`,
    `const { image } = await makeImage(source);
    const first = await takeImage(image, target);
    const base = { sinceNs: undefined, directories: undefined };
    const lists = await makeImage(source, { base });
    const second = await takeImage(lists.image, target, { removeGone: true });
    const read = (path) => fs.readdirSync(target + path).sort();
    const files = { '': read(''), bound: read('/bound'), gone: read('/gone'), tmp: read('/tmp') };
    return [first, second, { ...files, own: read('/own'), elsewhere: fs.readdirSync(elsewhere) }];`,
  ) as [{ logs: string[] }, { logs: string[] }, Record<string, string[]>];
  expect(files).toEqual({
    '': ['bound', 'config', 'gone', 'own', 'tmp'],
    ...{ bound: ['secret'], gone: ['secret'], tmp: [], own: ['file'], elsewhere: ['secret'] },
  });
  const blocked = ['bound', 'bound/inner', 'bound/inner/file', 'tmp', 'tmp/covered'].map(
    (path) => `/to/${path} was not recovered: another file system is mounted there`,
  );
  expect(first.logs).toEqual(blocked);
  const stays = '/to was not recovered: another file system is mounted there';
  expect(second.logs).toEqual([stays, ...blocked]);
});
