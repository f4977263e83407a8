import './utc.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakedShell, startFakedShell } from './faked-daemons.ts';
import { HOST } from './fixture.ts';

let shell: FakedShell;
beforeAll(async () => {
  shell = await startFakedShell(['nbemm', 'ltid']);
  shell.answer('nbemm', {
    GetDevices: async () => ({
      robots: [{ number: 3, type: 'tld', controlHost: HOST, path: 'vtl:/srv/lib' }],
    }),
  });
  shell.answer('ltid', { ReadElements: async () => ({ elements: ELEMENTS }) });
});
afterAll(() => shell.stop());

const ELEMENTS = [
  { type: 'drive', number: 1, full: true, barcode: 'A00001', address: 256, sourceAddress: 1025 },
  { type: 'import_export', number: 1, full: false, address: 768 },
  { type: 'slot', number: 1, full: false, address: 1024 },
  { type: 'slot', number: 2, full: false, address: 1025 },
];

test('robtest shows the elements of a robot', async () => {
  const shown = await shell.run(['robtest', '-rn', '3', '-c', 's d', 's s']);
  expect(shown.out).toMatch(/d1 +256 +a volume +A00001 +s2\n/);
  expect(shown.out).toMatch(/s1 +1024 +- +- +-\n/);
  expect(shell.asked('ltid', 'ReadElements')).toMatchObject({ robotNumber: 3, asBelieved: true });
  expect((await shell.run(['robtest', '-rn', '4', '-c', 's'])).status).toBe(2059);
  expect((await shell.run(['robtest', '-rn', '3', '-c', 'dance'])).status).toBe(144);
  expect((await shell.run(['robtest', '-c', 's'])).status).toBe(144);
});

test('robtest takes what is typed until q, and goes on after a mistake', async () => {
  const lines = ['?', '', 's d', 'dance', 's p', 'q', 's s'];
  const { status, out, error } = await shell.run('robtest -rn 3', { lines });
  expect(out).toMatch(/d1 +256[\s\S]*p1 +768/);
  expect(out).not.toMatch(/s1 +1024/);
  expect(error).toMatch(/EXIT STATUS 144.*\n.*'dance' is no robot command/);
  expect(status).toBe(144);
});

test('robtest moves, unloads to where it came from, and looks again', async () => {
  shell.answer('ltid', { MoveMedium: async () => ({}) });
  await shell.run(['robtest', '-rn', '3', '-c', 'm d1 p1']);
  expect(shell.asked('ltid', 'MoveMedium')).toMatchObject({ fromAddress: 256, toAddress: 768 });
  expect((await shell.run(['robtest', '-rn', '3', '-c', 'unload d1'])).out).toBe(
    'unloaded d1 into s2\n',
  );
  expect(shell.asked('ltid', 'MoveMedium')).toMatchObject({ fromAddress: 256, toAddress: 1025 });
  expect((await shell.run(['robtest', '-rn', '3', '-c', 'm d9 s1'])).status).toBe(144);
  expect((await shell.run(['robtest', '-rn', '3', '-c', 'init'])).status).toBe(0);
  expect(shell.asked('ltid', 'ReadElements')).toMatchObject({ robotNumber: 3, asBelieved: false });
});

test('robtest imports and ejects; what was not moved is its status', async () => {
  const failure = { code: 97, name: 'mediaInUse', detail: 'A00001 is in use' };
  shell.answer('ltid', {
    ImportVolumes: async () => ({
      media: [{ barcode: 'B00001', to: { type: 'slot', number: 2 } }],
    }),
    EjectVolumes: async () => ({ media: [{ barcode: 'A00001', failure }] }),
  });
  expect((await shell.run(['robtest', '-rn', '3', '-c', 'import'])).out).toBe('B00001 is in s2\n');
  const eject = await shell.run(['robtest', '-rn', '3', '-c', 'eject A00001']);
  expect(eject).toMatchObject({ status: 97, error: expect.stringContaining('A00001 is in use') });
  expect(shell.asked('ltid', 'EjectVolumes')).toMatchObject({ barcodes: ['A00001'] });
});

test('vmupdate -empty_map tells what came in', async () => {
  shell.answer('nbemm', {
    InventoryRobot: async () => ({
      changes: [],
      imported: [
        { barcode: 'B00001', to: { type: 'slot', number: 2 } },
        { barcode: 'B00002', failure: { code: 164, name: 'notMountable', detail: 'no free slot' } },
      ],
    }),
  });
  const { out } = await shell.run('vmupdate -rt TLD -rn 3 -empty_map');
  expect(out).toMatch(/B00001 was moved into slot 2\nB00002 was not moved: 164 no free slot\n/);
  expect(shell.asked('nbemm', 'InventoryRobot')).toMatchObject({ emptyMap: true });
});

test('vmoprcmd lists what waits for an operator, and answers it', async () => {
  const pending = {
    ...{ id: 4n, mediaId: 'B00001', barcode: 'B00001L8', drive: 'd1' },
    mode: 'DRIVE_MODE_WRITE',
    ...{ reason: 'B00001L8 is in no slot', sinceMs: 1_750_000_000_000n },
    grant: { attempt: { jobId: 7n, try: 1, step: 0 }, grantId: 'g1', epoch: 1n },
  } as const;
  shell.answer('nbemm', { GetDevices: async () => ({ mediaServers: [{ name: HOST }] }) });
  shell.answer('ltid', {
    ListPending: async () => ({ requests: [pending] }),
    AnswerPending: async () => ({}),
  });
  const { out } = await shell.run('vmoprcmd -d pr');
  expect(out).toMatch(/4 +B00001 +B00001L8 +d1 +write +7 .*media1 +B00001L8 is in no slot/);
  await shell.run('vmoprcmd -deny 4');
  const requester = 'operator@desk';
  expect(shell.asked('ltid', 'AnswerPending')).toEqual({
    ...{ id: 4n, answer: 'deny', drive: '', requester },
  });
  await shell.run('vmoprcmd -assignbyname d1 4 -h media1');
  expect(shell.asked('ltid', 'AnswerPending')).toMatchObject({ answer: 'assign', drive: 'd1' });
  await shell.run('vmoprcmd -resubmit 4');
  expect(shell.asked('ltid', 'AnswerPending')).toMatchObject({ answer: 'resubmit', id: 4n });
  expect((await shell.run('vmoprcmd -assignbyname 4 d1')).status).toBe(144);
  shell.answer('ltid', { ListPending: async () => ({ requests: [] }) });
  expect((await shell.run('vmoprcmd -d pr')).status).toBe(227);
});

test('tpclean lists drives, cleans one, and sets how often', async () => {
  const drive = { name: 'd1', mediaServer: HOST };
  shell.answer('nbemm', {
    GetDevices: async () => ({ mediaServers: [{ name: HOST }], drives: [{ drive }] }),
  });
  shell.answer('ltid', {
    CleanDrive: async () => ({}),
    SetCleaning: async () => ({}),
    ListCleaning: async () => ({
      drives: [{ drive: 'd1', usedMs: 7_300_000n, frequencyHours: 100, wanted: 'TapeAlert 20' }],
    }),
  });
  expect((await shell.run('tpclean -L')).out).toMatch(/d1 +media1 +2 +100 +- +TapeAlert 20/);
  expect((await shell.run('tpclean -C d1')).status).toBe(0);
  expect(shell.asked('ltid', 'CleanDrive')).toEqual({ drive: 'd1' });
  await shell.run('tpclean -F d1 50');
  expect(shell.asked('ltid', 'SetCleaning')).toMatchObject({
    ...{ setFrequency: true, frequencyHours: 50, reset: false },
  });
  await shell.run('tpclean -M d1');
  expect(shell.asked('ltid', 'SetCleaning')).toMatchObject({ setFrequency: false, reset: true });
  expect((await shell.run('tpclean -C d9')).status).toBe(227);
  expect((await shell.run('tpclean -F d1 often')).status).toBe(144);
  expect((await shell.run('tpclean')).status).toBe(144);
});
