// ndmpd as a process: its flags, its ready line, its end.

import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { Dma, makeWorkspace, PASSWORD, USER } from './harness.ts';
import { startProcess } from './process-harness.ts';

const workspace = makeWorkspace();
afterAll(() => workspace.remove());

test('it says when it is ready, and tells its DMAs when it ends', async () => {
  mkdirSync(workspace.file('data'));
  writeFileSync(workspace.file('password'), PASSWORD);
  const dates = workspace.file('dates.sqlite');
  const ndmpd = startProcess([
    ...['--listen', '127.0.0.1:0', '--user', USER, '--password-file', workspace.file('password')],
    ...['--export', `home=${workspace.file('data')}`, '--dump-dates', dates],
  ]);
  const dma = await Dma.login(await ndmpd.address);
  const greeted = dma.notifications.length;
  expect(await ndmpd.end('SIGTERM')).toMatchObject({ code: 0, stderr: '' });
  expect(dma.notifications.slice(greeted)).toMatchObject([
    { name: 'notifyConnectionStatus', body: { reason: 1 } },
  ]);
});

test('a file may hold its options, and the command line goes before it', async () => {
  mkdirSync(workspace.file('shared'), { recursive: true });
  writeFileSync(workspace.file('password'), PASSWORD);
  const options = {
    ...{ listen: '127.0.0.1:1', user: USER, 'password-file': workspace.file('password') },
    export: [`home=${workspace.file('shared')}`],
  };
  writeFileSync(workspace.file('ndmpd.json'), JSON.stringify(options));
  const config = ['--config', workspace.file('ndmpd.json')];
  const ndmpd = startProcess([...config, '--listen', '127.0.0.1:0']);
  await Dma.login(await ndmpd.address);
  expect((await ndmpd.end('SIGTERM')).code).toBe(0);

  writeFileSync(workspace.file('ndmpd.json'), JSON.stringify({ ...options, exports: [] }));
  expect(await startProcess(config).ended).toMatchObject({
    code: 144,
    stderr: expect.stringMatching(/exports/),
  });
});

test.each([
  [['--config', '/nowhere.json'], 12, /nowhere.json cannot be read/],
  [['--config', '/dev/null'], 144, /null: .*JSON/],
  [['--help'], 0, /--export NAME=DIR/],
  [[], 144, /--user is needed/],
  [['--user', 'u', '--password-file', '/nowhere', '--export', 'a=/tmp'], 12, /\/nowhere/],
  [['--user', 'u', '--password-file', '/dev/null', '--export', 'a=/tmp'], 152, /1 to 31 bytes/],
  [['--user', 'u', '--password-file', 'x', '--export', 'no-directory'], 144, /NAME=DIR/],
  [
    ['--user', 'u', '--password-file', 'x', '--export', 'a=/x', '--export', 'a=/y'],
    144,
    /one name/,
  ],
  [['--user', 'u', '--password-file', 'x'], 144, /--export or a --library/],
  [['--user', 'u', '--password-file', 'x', '--library', '/nowhere'], 252, /no library in .nowhere/],
  [['--frobnicate'], 144, /frobnicate/],
])('with %j it ends with %i', async (args, code, says) => {
  const ended = await startProcess(args).ended;
  expect(ended.code).toBe(code);
  expect(`${ended.stdout}${ended.stderr}`).toMatch(says);
});

test('sessions beyond the limit are refused in words', async () => {
  const ndmpd = startProcess([
    ...['--listen', '127.0.0.1:0', '--user', USER, '--password-file', workspace.file('password')],
    ...['--export', `home=${workspace.file('data')}`, '--sessions-max', '1'],
  ]);
  const address = await ndmpd.address;
  const first = await Dma.login(address);
  const second = new Dma(address);
  await expect(second.client.connectOpen()).rejects.toThrow('too many sessions');
  first.client.close();
  const { stderr } = await ndmpd.end('SIGTERM');
  const event = { level: 'warn', service: 'ndmpd', peer: '127.0.0.1' };
  expect(JSON.parse(stderr)).toMatchObject({
    ...event,
    text: 'the session was refused: too many sessions',
  });
});
