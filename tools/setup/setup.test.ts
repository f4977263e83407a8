import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { firstDifference } from './dependencies.js';
import { withLock } from './setup-lock.js';

const run = promisify(execFile);
let root = '';
let programs = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tapestry-setup-'));
  programs = join(root, 'programs');
  cpSync(import.meta.dirname, join(root, 'tools/setup'), { recursive: true });
  put('package.json', '{ "type": "module" }');
  lock('package-lock.json', '1.0.0');
  put('libs/contracts/package.json', '{ "type": "module" }');
  put('libs/contracts/proto/a.proto', 'message A {}');
  put(
    'libs/contracts/generate.ts',
    `import { mkdirSync, appendFileSync } from 'node:fs';
     mkdirSync('gen', { recursive: true });
     appendFileSync('gen/runs', 'x');`,
  );
  program('npm', 'mkdir -p node_modules && cp package-lock.json node_modules/.package-lock.json');
  program('nats-server', 'true');
  program('apt-get', 'exit 100');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function lock(path: string, version: string): void {
  put(path, JSON.stringify({ packages: { '': {}, 'node_modules/a': { version } } }));
}

/** A stand-in for a program of the host; it writes its calls down. */
function program(name: string, script: string): void {
  put(`programs/${name}`, `#!/bin/sh\necho "${name} $*" >> "${root}/calls"\n${script}\n`);
  chmodSync(join(programs, name), 0o755);
}

const calls = () =>
  existsSync(join(root, 'calls')) ? readFileSync(join(root, 'calls'), 'utf8') : '';

function start(file: string, args: string[] = []): ChildProcess {
  const env = { PATH: `${programs}:/usr/bin:/bin` };
  return spawn(process.execPath, [join(root, 'tools/setup', file), ...args], { env });
}

async function outcome(child: ChildProcess): Promise<{ code: number | null; said: string }> {
  let said = '';
  child.stdout?.on('data', (data) => {
    said += data;
  });
  child.stderr?.on('data', (data) => {
    said += data;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, said };
}

test('does what is missing, says so, and nothing the second time', async () => {
  const first = await outcome(start('setup.js'));
  expect(first.said).toMatch(/npm packages.*nothing is installed[\s\S]*done in \d+\.\d s/);
  expect(first.said).toMatch(/generating code/);
  expect(first.said).toContain(`using nats-server from ${programs}/nats-server`);
  expect(first.code).toBe(0);
  const before = calls();
  expect(await outcome(start('setup.js'))).toEqual({
    code: 0,
    said: 'setup: everything is in place\n',
  });
  expect(calls()).toBe(before);
});

test('a changed lock file and changed contracts are done again, and only they', async () => {
  await outcome(start('setup.js'));
  lock('package-lock.json', '1.0.1');
  const packages = await outcome(start('setup.js'));
  expect(packages.said).toContain('node_modules/a is 1.0.0, not 1.0.1');
  expect(packages.said).not.toContain('generating');
  put('libs/contracts/proto/a.proto', 'message B {}');
  const contracts = await outcome(start('setup.js'));
  expect(contracts.said).toContain('generating');
  expect(contracts.said).not.toContain('npm');
});

test('two setups at once do each step once', async () => {
  await Promise.all([outcome(start('setup.js')), outcome(start('setup.js'))]);
  expect(calls().match(/npm ci/g)).toHaveLength(1);
  expect(readFileSync(join(root, 'libs/contracts/gen/runs'), 'utf8')).toBe('x');
});

// Where the host has the program outside of PATH, setup finds that one, and there is nothing to obtain.
const hostHasIt = ['/usr/sbin', '/usr/local/sbin', '/usr/bin', '/bin'].some((folder) =>
  existsSync(join(folder, 'nats-server')),
);

test.skipIf(hostHasIt)('without any way to nats-server one line says what to install', async () => {
  rmSync(join(programs, 'nats-server'));
  const { code, said } = await outcome(start('setup.js'));
  expect(code).toBe(1);
  expect(said.trimEnd().split('\n').at(-1)).toMatch(
    /^setup: nats-server is missing.*apt-get install/,
  );
  expect(calls()).toContain('download nats-server');
});

test.skipIf(hostHasIt)('unpacks Debian’s package without touching the host', async () => {
  rmSync(join(programs, 'nats-server'));
  program('apt-get', 'case "$*" in *download*) touch nats-server_1_all.deb;; esac');
  program(
    'dpkg-deb',
    'mkdir -p "$3/usr/sbin" && printf x > "$3/usr/sbin/nats-server" && chmod 755 "$3/usr/sbin/nats-server"',
  );
  const { code } = await outcome(start('setup.js'));
  expect(code).toBe(0);
  expect(readFileSync(join(root, '.cache/nats-server/nats-server'), 'utf8')).toBe('x');
  expect(calls()).toMatch(/apt-get -o Dir::State=\S+\/\.cache\/nats-server\/\S+ /);
});

test('run.js passes arguments, exit code and signals', async () => {
  put(
    'script.ts',
    `const words: string[] = process.argv.slice(2);
     process.on('SIGTERM', () => process.exit(7));
     console.log(JSON.stringify(words));
     if (words[0] === 'wait') setInterval(() => {}, 1000); else process.exitCode = 3;`,
  );
  await outcome(start('setup.js'));
  expect(await outcome(start('run.js', ['script.ts', 'a b', '--c']))).toEqual({
    code: 3,
    said: '["a b","--c"]\n',
  });
  const child = start('run.js', ['script.ts', 'wait']);
  const ended = outcome(child);
  await once(child.stdout!, 'data');
  child.kill('SIGTERM');
  expect((await ended).code).toBe(7);
});

test('exec.sh runs a script from anywhere, through a link, and fetches nothing', async () => {
  put(
    'apps/cli/src/hello.ts',
    'const n: number = process.argv.length; console.log(n, process.cwd());',
  );
  const platform = `node_modules/node-${process.platform}-${process.arch}/bin`;
  mkdirSync(join(root, platform), { recursive: true });
  symlinkSync(process.execPath, join(root, platform, 'node'));
  const env = { PATH: '/usr/bin:/bin' };
  const exec = join(root, 'tools/setup/exec.sh');
  const { stdout } = await run(exec, ['apps/cli/src/hello.ts', 'x'], { cwd: '/usr', env });
  expect(stdout).toBe('3 /usr\n');
  expect(calls()).toBe('');
});

test('exec.sh without Node 24 says what to do', async () => {
  program('node', 'echo false');
  const env = { PATH: `${programs}:/usr/bin:/bin` };
  const failing = run(join(root, 'tools/setup/exec.sh'), ['apps/cli/src/bplist.ts'], { env });
  await expect(failing).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^bplist: no Node 24 here: run "npm run setup"/),
  });
});

test.each<[string, Record<string, object>, Record<string, object>, string | undefined]>([
  [
    'equal',
    { 'node_modules/a': { version: '1' } },
    { 'node_modules/a': { version: '1' } },
    undefined,
  ],
  ['missing', { 'node_modules/a': { version: '1' } }, {}, 'node_modules/a is missing'],
  ['another platform’s', { 'node_modules/a': { version: '1', os: ['darwin'] } }, {}, undefined],
  ['optional', { 'node_modules/a': { version: '1', optional: true } }, {}, undefined],
  ['the project itself', { '': {}, 'libs/a': { version: '1' } }, {}, undefined],
  [
    'nested in a project',
    { 'libs/a/node_modules/b': { version: '2' } },
    { 'libs/a/node_modules/b': { version: '1' } },
    'libs/a/node_modules/b is 1, not 2',
  ],
])('lock files: %s', (_, wanted, installed, expected) => {
  expect(firstDifference({ packages: wanted }, { packages: installed })).toBe(expected);
});

test('the lock of a dead setup is taken over', async () => {
  const path = join(root, 'lock');
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  writeFileSync(path, String(child.pid));
  let ran = false;
  await withLock(path, () => {
    ran = true;
  });
  expect(ran).toBe(true);
  expect(existsSync(path)).toBe(false);
});
