import './utc.ts';
import { StatusError } from '@tapestry/status';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakedShell, startFakedShell } from './faked-daemons.ts';
import { imageRow, START_S, volumeRow } from './rows.ts';

let shell: FakedShell;
beforeAll(async () => {
  shell = await startFakedShell(['nbemm', 'bpdbm']);
});
afterAll(() => shell.stop());

const done = async () => ({});
const POOLS = [
  { number: 1, name: 'NetBackup', description: 'the default pool', volumes: 3 },
  { number: 4, name: 'offsite', description: '', maxPartiallyFull: 2 },
];

test('vmchange changes what is named, for a volume or a group', async () => {
  shell.answer('nbemm', { ChangeVolumes: done, ListPools: async () => ({ pools: POOLS }) });
  const asked = () => shell.asked('nbemm', 'ChangeVolumes');
  await shell.run('vmchange -m TAP001 -p 4 -maxmounts 0 -exp 12/31/2030');
  expect(asked()).toMatchObject({
    ...{ mediaIds: ['TAP001'], set: ['pool', 'maxMounts', 'expirationMs'] },
    change: { pool: 'offsite', maxMounts: 0, expirationMs: 1_924_905_600_000n },
  });
  await shell.run('vmchange -v 000_00000_TLD -exp 0 -offloc vault -offsent 11/22/2025 -new_v far');
  expect(asked()).toMatchObject({
    ...{ mediaIds: [], volumeGroup: '000_00000_TLD' },
    change: { expirationMs: 0n, volumeGroup: 'far', offsite: { location: 'vault' } },
    set: ['volumeGroup', 'expirationMs', 'offsite.location', 'offsite.sentMs'],
  });
  await shell.run('vmchange -res -m TAP001 -mt HCART -rt TLD -rn 3 -rc1 7');
  expect(asked()).toMatchObject({ change: { robotNumber: 3, slot: 7 }, set: ['slot'] });
  await shell.run('vmchange -res -m TAP001 -rt NONE');
  expect(asked()).toMatchObject({ change: { slot: 0 }, set: ['slot'] });
});

test.each([
  ...['vmchange -m TAP001', 'vmchange -p 4', 'vmchange -m A -v B -d c', 'vmchange -exp 0'],
  ...['vmchange -res -m A -rt TLD -rn 1', 'vmchange -res -v G -rt NONE', 'vmdelete'],
  ...['vmdelete -m A -v B', 'bpmedia -freeze', 'bpmedia -freeze -suspend -m A', 'bpmedia -m A'],
  ...['bpmedia -movedb -m A', 'bpmedialist -mlist -summary', 'bpmedialist -mcontents'],
  ...['bpmedialist -count', 'vmrule', 'vmrule -add A B C', 'vmpool -create -pn a -update'],
  ...['vmpool -update -pn a', 'vmpool -create', 'vmrule -add A HCART None many text'],
  ...['vmcheckxxx', 'vmcheckxxx -rn 0 -full -list'],
  ...['vmchange -m A -exp tomorrow', 'vmrule -add A HCART None 1 t -delete B'],
])('%s is refused with 144 and the usage', async (line) => {
  const { status, out, error } = await shell.run(line);
  expect({ status, out }).toEqual({ status: 144, out: '' });
  expect(error).toMatch(/^\w+: .+\nusage: /);
});

test('a refusal of nbemm comes through with its number', async () => {
  const ChangeVolumes = async () => {
    throw new StatusError('conflict', 'volume TAP001 is assigned: it keeps its pool');
  };
  shell.answer('nbemm', { ChangeVolumes });
  expect(await shell.run('vmchange -m TAP001 -p offsite')).toMatchObject({
    ...{ status: 224, error: expect.stringMatching(/^EXIT STATUS 224: .*\n {2}volume TAP001/) },
  });
});

test('vmdelete deletes a volume or a group', async () => {
  shell.answer('nbemm', { DeleteVolume: done, DeleteVolumeGroup: done });
  await shell.run('vmdelete -h emm.example.org -v shelf');
  expect(shell.asked('nbemm', 'DeleteVolumeGroup')).toEqual({ name: 'shelf' });
  await shell.run('vmdelete -m TAP001');
  expect(shell.asked('nbemm', 'DeleteVolume')).toEqual({ name: 'TAP001' });
});

test('vmadd adds a cleaning cartridge, vmquery shows how many cleanings are left', async () => {
  const cleaning = volumeRow({ mediaType: 'HCART_CLN', cleanings: 20 });
  shell.answer('nbemm', {
    ...{ AddVolume: done, ListPools: async () => ({ pools: POOLS }) },
    ListVolumes: async () => ({ volumes: [cleaning, volumeRow({ robotType: '' })] }),
  });
  await shell.run('vmadd -m CLN001 -mt hcart_cln -n 20 -v shelf');
  expect(shell.asked('nbemm', 'AddVolume')).toMatchObject({
    ...{ mediaType: 'HCART_CLN', cleanings: 20, volumeGroup: 'shelf' },
    volume: { density: 'hcart' },
  });
  expect((await shell.run('vmquery -mt HCART_CLN')).out).toMatch(/cleanings left: +20\n/);
  await shell.run('vmquery -v shelf -p 4');
  expect(shell.asked('nbemm', 'ListVolumes')).toMatchObject({
    ...{ volumeGroup: 'shelf', pool: 'offsite' },
  });
  expect((await shell.run('vmquery -bc TAP001L8 -rt none -b')).out.split('\n')).toHaveLength(3);
  expect((await shell.run('vmquery -rt ACS')).status).toBe(227);
});

test('a listing of more volumes than fit an answer is asked for page by page', async () => {
  const page = (mediaId: string) => [{ volume: { ...volumeRow().volume, mediaId } }];
  shell.answer('nbemm', {
    ListPools: async () => ({ pools: POOLS }),
    ListVolumes: async ({ afterMediaId }) =>
      afterMediaId === '' ? { volumes: page('A1'), more: true } : { volumes: page('A2') },
  });
  expect((await shell.run('vmquery -a -b')).out).toMatch(/^A1 .*\nA2 /m);
  expect(shell.asked('nbemm', 'ListVolumes')).toMatchObject({ afterMediaId: 'A1' });
});

test('vmquery -W keeps NetBackup’s order of fields', async () => {
  const offsite = { location: 'vault', slot: '3', session: '9', sentMs: 0n, returnMs: 0n };
  const row = volumeRow({ offsite, expirationMs: (START_S + 60n) * 1000n, description: '' });
  shell.answer('nbemm', {
    ...{ ListPools: async () => ({ pools: POOLS }), ListVolumes: async () => ({ volumes: [row] }) },
  });
  expect((await shell.run('vmquery -a -W')).out).toBe(
    [
      'TAP001 - HCART TAP001 - media1 TLD 0 3 - 000_00000_TLD NetBackup 1 - 4 0 -',
      '11/22/2025 07:00:00 11/22/2025 07:00:00 - - 11/22/2025 07:00:00',
      '11/22/2025 07:01:00 8 vault - - 3 9 0 *NULL*\n',
    ].join(' '),
  );
});

test('vmpool changes and deletes pools, and makes the scratch pool', async () => {
  shell.answer('nbemm', {
    ...{ AddPool: done, UpdatePool: done, DeletePool: done },
    ListPools: async ({ name }) => ({
      pools: POOLS.filter((pool) => name === '' || pool.name === name),
    }),
  });
  await shell.run('vmpool -create -pn weekly -mpf 5');
  expect(shell.asked('nbemm', 'AddPool')).toMatchObject({ name: 'weekly', maxPartiallyFull: 5 });
  await shell.run(['vmpool', '-update', '-pn', 'offsite', '-description', 'far away']);
  expect(shell.asked('nbemm', 'UpdatePool')).toMatchObject({
    ...{ name: 'offsite', description: 'far away', set: ['description'] },
  });
  await shell.run('vmpool -set_scratch offsite');
  expect(shell.asked('nbemm', 'UpdatePool')).toMatchObject({ scratch: true, set: ['scratch'] });
  await shell.run('vmpool -set_scratch spare');
  expect(shell.asked('nbemm', 'AddPool')).toMatchObject({ name: 'spare', scratch: true });
  await shell.run('vmpool -unset_scratch spare');
  expect(shell.asked('nbemm', 'UpdatePool')).toMatchObject({ name: 'spare', scratch: false });
  await shell.run('vmpool -delete offsite');
  expect(shell.asked('nbemm', 'DeletePool')).toEqual({ name: 'offsite' });
  expect((await shell.run('vmpool -list_all -bx')).out).toMatchInlineSnapshot(`
    "pool  name       kind  mpf  volumes  description
       1  NetBackup  -       0        3  the default pool
       4  offsite    -       2        0
    "
  `);
  expect((await shell.run('vmpool -list_scratch')).status).toBe(227);
});

test('vmrule keeps barcode rules and media id rules', async () => {
  const rule = { tag: 'CLN', mediaType: 'HCART_CLN', pool: 'None', maxMounts: 30 };
  const idRule = { robotNumber: 0, barcodeLength: 8, rule: '#N:2:3:4:5:6' };
  shell.answer('nbemm', {
    ...{ SetBarcodeRule: done, DeleteBarcodeRule: done, SetMediaIdRule: done },
    ...{ DeleteMediaIdRule: done, ListPools: async () => ({ pools: POOLS }) },
    ListBarcodeRules: async () => ({ rules: [{ ...rule, description: 'cleaning' }] }),
    ListMediaIdRules: async () => ({ rules: [idRule] }),
  });
  await shell.run('vmrule -add CLN hcart_cln None 30 cleaning');
  expect(shell.asked('nbemm', 'SetBarcodeRule')).toEqual({
    ...{ rule: { ...rule, description: 'cleaning' }, update: false },
  });
  await shell.run('vmrule -change <DEFAULT> DEFAULT 4 0 others');
  expect(shell.asked('nbemm', 'SetBarcodeRule')).toMatchObject({
    ...{ rule: { tag: '<DEFAULT>', pool: 'offsite' }, update: true },
  });
  await shell.run('vmrule -delete CLN');
  expect(shell.asked('nbemm', 'DeleteBarcodeRule')).toEqual({ name: 'CLN' });
  expect((await shell.run('vmrule -listall -b')).out).toMatchInlineSnapshot(`
    "barcode tag  media type  volume pool  max mounts/cleanings  description
    CLN          HCART_CLN   None                           30  cleaning
    "
  `);
  expect((await shell.run('vmrule -listall')).out).toMatch(/barcode tag: +CLN\n/);
  await shell.run('vmrule -set_id_rule 0 8 #N:2:3:4:5:6');
  expect(shell.asked('nbemm', 'SetMediaIdRule')).toEqual(idRule);
  await shell.run('vmrule -delete_id_rule 0 8');
  expect(shell.asked('nbemm', 'DeleteMediaIdRule')).toMatchObject({ barcodeLength: 8 });
  expect((await shell.run('vmrule -list_id_rules')).out).toContain('    0       8  #N:2:3:4:5:6');
});

test('vmupdate tells what rules made of new cartridges, and what it could not use', async () => {
  const base = { barcode: 'TAP002L8', slot: 2, oldSlot: 2, mediaId: 'TAP002' };
  const fresh = { mediaType: 'HCART', pool: 'offsite', rule: 'TAP' };
  shell.answer('nbemm', {
    InventoryRobot: async () => ({
      changes: [
        { ...base, ...fresh, change: 'add' },
        { ...base, change: 'barcode' },
        { ...base, change: 'move', oldSlot: 0 },
      ],
      unusable: ["barcode '??' in slot 9: no media id can be made of it"],
    }),
  });
  const { out, error } = await shell.run('vmupdate -rt TLD -rn 3 -use_barcode_rules -v shelf');
  expect(out).toBe(
    [
      'Changed:',
      '  TAP002 (TAP002L8) added in slot 2: HCART, pool offsite, by rule TAP',
      '  TAP002 in slot 2 has the barcode TAP002L8',
      '  TAP002 moved from outside to slot 2\n',
    ].join('\n'),
  );
  expect(error).toBe("not used: barcode '??' in slot 9: no media id can be made of it\n");
  expect(shell.asked('nbemm', 'InventoryRobot')).toMatchObject({
    ...{ useBarcodeRules: true, volumeGroup: 'shelf', recommendOnly: false },
  });
});

test('vmcheckxxx shows what a robot holds and what differs, and changes nothing', async () => {
  const elements = [
    { type: 'slot', number: 3, full: true, barcode: 'TAP001' },
    { type: 'slot', number: 4, full: true, barcode: 'TAP002' },
    { type: 'drive', number: 1, full: false, barcode: '' },
  ];
  const change = { mediaId: 'TAP002', barcode: 'TAP002', change: 'add', slot: 4, oldSlot: 0 };
  shell.answer('nbemm', {
    InventoryRobot: async () => ({ elements, changes: [change], unusable: ["barcode '??'"] }),
    ListVolumes: async () => ({ volumes: [volumeRow()] }),
  });
  expect((await shell.run('vmcheckxxx -rt TLD -rn 0 -full')).out).toMatchInlineSnapshot(`
    "slot  tape  barcode  media id on record  barcode on record  mismatch
       3  yes   TAP001   TAP001              TAP001
       4  yes   TAP002   -                   -                  yes

      no record can be made: barcode '??'
    vmupdate would change:
      TAP002 (TAP002) added in slot 4
    The records differ: see vmupdate.
    "
  `);
  expect(shell.asked('nbemm', 'InventoryRobot')).toMatchObject({ recommendOnly: true });
  expect((await shell.run('vmcheckxxx -rt TLD -rn 0 -list')).out).toMatch(/drive +1 +no +-/);
  shell.answer('nbemm', { InventoryRobot: async () => ({ elements }) });
  expect((await shell.run('vmcheckxxx -rn 0')).out).toBe(
    'The records match what the robot holds.\n',
  );
});

test('bpmedia freezes, suspends and gives away', async () => {
  shell.answer('nbemm', { SetVolumeStatus: done, ChangeVolumes: done });
  for (const action of ['freeze', 'unfreeze', 'suspend', 'unsuspend']) {
    expect((await shell.run(`bpmedia -${action} -m TAP001 -h media1`)).status).toBe(0);
    expect(shell.asked('nbemm', 'SetVolumeStatus')).toEqual({
      ...{ mediaId: 'TAP001', action, owner: 'media1' },
    });
  }
  await shell.run('bpmedia -movedb -m TAP001 -newserver media2');
  expect(shell.asked('nbemm', 'ChangeVolumes')).toMatchObject({
    ...{ mediaIds: ['TAP001'], change: { owner: 'media2' }, set: ['owner'] },
  });
});

test('bpmedialist lists, counts and sums up volumes that hold data', async () => {
  const other = volumeRow({ owner: 'media2', statusBits: 0, images: 1 });
  const volumes = [volumeRow(), other, volumeRow({ owner: 'media2', statusBits: 1 | 8 })];
  shell.answer('nbemm', {
    ...{ ListPools: async () => ({ pools: POOLS }) },
    ListVolumes: async ({ mediaId }) => ({ volumes: mediaId === 'NONE01' ? [] : volumes }),
  });
  expect((await shell.run('bpmedialist -h media1')).out).toMatchInlineSnapshot(`
    "Server Host = media1

    id      rl  images  allocated         last updated      density       kbytes restores
               vimages  expiration        last read         <------- STATUS ------->
    -------------------------------------------------------------------------------------
    TAP001   1       2  11/22/2025 07:00  -                 hcart              4        -
                     1  -                 -                 FULL
    "
  `);
  expect(shell.asked('nbemm', 'ListVolumes')).toMatchObject({ assignedOnly: true });
  expect((await shell.run('bpmedialist -l -h media1')).out).toBe(
    'TAP001 *NULL* 2 6 1763794800 0 0 1763794800 4 2 1 1 1 0 8 1024 0 0 0 0 0 0 0 0 0\n',
  );
  expect((await shell.run('bpmedialist -b')).out).toBe('TAP001\n'.repeat(3));
  expect((await shell.run('bpmedialist -mlist -L')).out).toMatch(/status: +0x9 \(frozen full\)/);
  expect((await shell.run('bpmedialist -summary')).out).toMatchInlineSnapshot(`
    "server  active  full  suspended  frozen  all
    media1       0     1          0       0    1
    media2       1     0          0       1    2
    all          1     1          0       1    3
    "
  `);
  expect((await shell.run('bpmedialist -m NONE01')).status).toBe(227);
  expect((await shell.run('bpmedialist -rl 7')).status).toBe(227);
  expect((await shell.run('bpmedialist -count -rn 0 -l')).out).toBe('0 3 3 0\n');
  expect((await shell.run('bpmedialist -count -rn 0')).out).toMatch(/robot +volumes/);
});

test('bpmedialist -mcontents lists the fragments on a volume', async () => {
  shell.answer('bpdbm', {
    ListImages: async ({ mediaId }) => ({ images: mediaId === 'TAP001' ? [imageRow()] : [] }),
  });
  expect((await shell.run('bpmedialist -mcontents -m tap001')).out).toMatchInlineSnapshot(`
    "file  backup id          copy  fragment  written              expires              kilobytes  policy
       2  filer1_1763794800     1         1  11/22/2025 07:00:00  12/06/2025 07:00:00      10240  filers
    "
  `);
  expect((await shell.run('bpmedialist -mcontents -m TAP009')).status).toBe(227);
});

test('vmchange lets volumes leave their robot, one or several', async () => {
  const to = { type: 'import_export', number: 1 };
  const failure = { code: 164, name: 'notMountable', detail: 'no free import/export slot' };
  shell.answer('nbemm', {
    EjectMedia: async ({ mediaIds }) => ({
      media: mediaIds.map((mediaId, n) => ({ mediaId, moved: n === 0 ? { to } : { failure } })),
    }),
  });
  const one = await shell.run('vmchange -res -m tap001 -rt NONE -e -sec 30');
  expect([one.status, one.out]).toEqual([0, 'TAP001 is in import/export slot 1\n']);
  const several = await shell.run('vmchange -res -api_eject -w -ml TAP001:TAP002 -rt TLD -rn 0');
  expect([several.status, several.out]).toEqual([164, 'TAP001 is in import/export slot 1\n']);
  expect(several.error).toContain('TAP002: no free import/export slot');
  expect(shell.asked('nbemm', 'EjectMedia')).toEqual({ mediaIds: ['TAP001', 'TAP002'] });
  for (const line of ['-m TAP001 -rt NONE -e', '-res -m TAP001 -e', '-res -api_eject', '-ml A']) {
    expect((await shell.run(`vmchange ${line}`)).status).toBe(144);
  }
});
