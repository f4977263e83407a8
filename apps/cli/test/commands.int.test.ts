import './utc.ts';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Handlers } from '@tapestry/bus';
import type { Policy, ServiceName } from '@tapestry/contracts';
import { SERVICES } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { type FakeService, fakeService } from '@tapestry/testkit';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { HOST, type Shell, startShell } from './fixture.ts';
import { imageRow, jobRow, policyRow, START_S, volumeRow } from './rows.ts';

let shell: Shell;
let dir: string;
const fakes = new Map<ServiceName, FakeService<ServiceName>>();

beforeAll(async () => {
  shell = await startShell();
  dir = mkdtempSync(join(tmpdir(), 'tapestry-cli-'));
  for (const service of [
    ...(['bprd', 'bpdbm', 'bpjobd', 'nbjm', 'nbemm', 'nbrb', 'nbkms', 'ndmpagent'] as const),
    ...(['nbpem', 'ltid'] as const),
  ]) {
    const { perHost } = SERVICES[service];
    const bus = await shell.testBus.as(perHost ? { service, host: HOST } : { service });
    fakes.set(service, await fakeService<ServiceName>(bus, service));
  }
});
afterAll(async () => {
  await shell.stop();
  rmSync(dir, { recursive: true, force: true });
});

function answer<S extends ServiceName>(service: S, handlers: Partial<Handlers<S>>): void {
  fakes.get(service)?.answer(handlers as never);
}

/** The last request of a method. */
function asked(service: ServiceName, method: string): unknown {
  return fakes
    .get(service)
    ?.calls.filter((call) => call.method === method)
    .at(-1)?.request;
}

let policy: Policy;
beforeEach(() => {
  policy = policyRow();
  answer('bpdbm', {
    GetPolicy: async ({ name }) => {
      if (name !== policy.name) throw new StatusError('policyMissing', `no policy ${name}`);
      return { policy };
    },
    UpdatePolicy: async (request) => {
      if (request.policy === null) throw new Error('no policy was sent');
      policy = request.policy;
      return { policy };
    },
    ListPolicies: async () => ({ policies: [policy] }),
  });
});

test('bppolicynew makes a policy, also as a copy', async () => {
  answer('bpdbm', { CreatePolicy: async () => ({ policy }) });
  expect(await shell.run('bppolicynew new -sameas filers')).toMatchObject({ status: 0, error: '' });
  expect(asked('bpdbm', 'CreatePolicy')).toMatchObject({ name: 'new', sameAs: 'filers' });
});

test('bppldelete deletes it', async () => {
  answer('bpdbm', { DeletePolicy: async () => ({}) });
  expect((await shell.run('bppldelete filers')).status).toBe(0);
  expect(asked('bpdbm', 'DeletePolicy')).toMatchObject({ name: 'filers' });
});

test('bpplinfo changes what is named, with the generation that was read', async () => {
  const line = 'bpplinfo filers -modify -inactive -residence *NULL* -priority 9 -policyjobs 999';
  expect((await shell.run(line)).status).toBe(0);
  expect(policy).toMatchObject({ active: false, residence: '', priority: 9, maxJobs: 0 });
  expect(policy).toMatchObject({ pool: 'NetBackup', generation: 4n, clients: ['filer1'] });
});

test('bpplinfo -set brings the rest to its default', async () => {
  policy = policyRow({ keyword: 'old', priority: 5 });
  await shell.run(['bpplinfo', 'filers', '-set', '-pool', 'offsite']);
  expect(policy).toMatchObject({ pool: 'offsite', keyword: '', priority: 0, residence: '' });
});

test('a policy that is not there: 230, and its text', async () => {
  const { status, error } = await shell.run('bpplinfo nosuch -U');
  expect(status).toBe(230);
  expect(error).toBe('EXIT STATUS 230: the policy does not exist\n  no policy nosuch\n');
});

test('bpplclients adds, lists and deletes', async () => {
  expect((await shell.run('bpplclients filers -add filer2 NDMP NDMP')).status).toBe(0);
  expect(policy.clients).toEqual(['filer1', 'filer2']);
  expect((await shell.run('bpplclients filers -l')).out).toBe(
    'CLIENT filer1 NDMP NDMP 0 0 0 0 *NULL*\nCLIENT filer2 NDMP NDMP 0 0 0 0 *NULL*\n',
  );
  expect((await shell.run('bpplclients filers -delete filer1')).status).toBe(0);
  expect(policy.clients).toEqual(['filer2']);
  expect((await shell.run('bpplclients filers -add filer2 NDMP NDMP')).status).toBe(226);
  expect((await shell.run('bpplclients filers -add other Linux RedHat')).status).toBe(20);
  expect((await shell.run('bpplclients filers -delete nosuch')).status).toBe(227);
  expect((await shell.run('bpplclients -allunique')).out).toContain('filer2');
});

test('bpplinclude adds lines in order, from a file too', async () => {
  const file = join(dir, 'paths');
  writeFileSync(file, '/vol/b\n\n/vol/c\n');
  await shell.run(['bpplinclude', 'filers', '-add', 'SET HIST=F', '/vol/a', '-f', file]);
  expect(policy.includes).toEqual(['/vol/home', 'SET HIST=F', '/vol/a', '/vol/b', '/vol/c']);
  await shell.run('bpplinclude filers -delete /vol/a /vol/b');
  await shell.run('bpplinclude filers -modify /vol/c /vol/d');
  expect(policy.includes).toEqual(['/vol/home', 'SET HIST=F', '/vol/d']);
  expect((await shell.run('bpplinclude filers -l')).out).toContain('INCLUDE SET HIST=F\n');
  expect((await shell.run('bpplinclude filers -add')).status).toBe(144);
  expect((await shell.run('bpplinclude filers -add -f /no/such/file')).status).toBe(12);
});

test('bpplsched adds a schedule with a window for every day', async () => {
  const line = 'bpplsched filers -add daily -st INCR -freq 86400 -rl 3 -window 79200 06:00:00';
  expect((await shell.run(line)).status).toBe(0);
  expect(policy.schedules[1]).toMatchObject({
    ...{ name: 'daily', type: 'SCHEDULE_TYPE_INCR', frequencyS: 86_400, retentionLevel: 3 },
    windows: Array.from({ length: 7 }, () => ({ startS: 79_200, durationS: 21_600 })),
  });
  expect((await shell.run('bpplsched filers -add full')).status).toBe(226);
  expect((await shell.run('bpplsched filers -add x -st UBAK')).status).toBe(144);
  expect((await shell.run('bpplsched filers -add x -window soon late')).status).toBe(144);
  expect((await shell.run('bpplsched filers -delete nosuch')).status).toBe(197);
  expect((await shell.run('bpplsched filers -deleteall')).status).toBe(0);
  expect(policy.schedules).toEqual([]);
  expect((await shell.run('bpplsched filers')).status).toBe(227);
});

test('bpplschedrep changes the days that it names', async () => {
  await shell.run('bpplschedrep filers full -freq 100 -0 0 3600');
  const [schedule] = policy.schedules;
  expect(schedule).toMatchObject({ frequencyS: 100, retentionLevel: 1 });
  expect(schedule?.windows[0]).toEqual({ startS: 0, durationS: 3600 });
  expect(schedule?.windows[6]).toEqual({ startS: 79_200, durationS: 21_600 });
  expect((await shell.run('bpplschedrep filers nosuch -freq 1')).status).toBe(197);
});

test('bppllist lists names, and whole policies by client', async () => {
  expect((await shell.run('bppllist')).out).toBe('filers\n');
  expect((await shell.run('bppllist -byclient filer1 -l')).out).toMatch(/^CLASS filers /);
  expect((await shell.run('bppllist -byclient nosuch')).status).toBe(227);
});

test('tpconfig stores an NDMP host with a password that never was on its line', async () => {
  answer('nbemm', { AddNdmpHost: async () => ({}) });
  const line =
    'tpconfig -add -nh filer1 -filer_user_id backup -filer_addr 10.0.0.1 -filer_port 10001';
  expect((await shell.run(line, { secret: 's3cret' })).status).toBe(0);
  expect(asked('nbemm', 'AddNdmpHost')).toMatchObject({
    ...{ name: 'filer1', user: 'backup', password: 's3cret', address: '10.0.0.1', port: 10_001 },
    update: false,
  });
  const refused = await shell.run('tpconfig -add -nh f -filer_user_id u -filer_password s3cret');
  expect(refused.status).toBe(144);
  expect(refused.error).toMatch(/seen by others/);
  expect(refused.error).not.toContain('s3cret');
});

test('an update that moves a port asks for no password', async () => {
  answer('nbemm', { AddNdmpHost: async () => ({}) });
  await shell.run('tpconfig -update -nh filer1 -filer_port 10002', { secret: 'unasked' });
  expect(asked('nbemm', 'AddNdmpHost')).toMatchObject({ password: '', port: 10_002, update: true });
});

test('tpconfig adds robots and drives of this machine, with whole paths', async () => {
  answer('nbemm', { AddRobot: async () => ({}), AddDrive: async () => ({}) });
  await shell.run('tpconfig -add -robot 3 -robtype TLD -robpath vtl:lib', { cwd: '/srv' });
  expect(asked('nbemm', 'AddRobot')).toMatchObject({
    robot: { number: 3, type: 'tld', path: 'vtl:/srv/lib', controlHost: HOST, ndmpHost: '' },
  });
  const line =
    'tpconfig -add -drive -type hcart -path vtl:/srv/lib#1 -asciiname d1 -robot 3 -robtype tld -robdrnum 2';
  expect((await shell.run(line)).status).toBe(0);
  expect(asked('nbemm', 'AddDrive')).toMatchObject({
    drive: {
      ...{ name: 'd1', density: 'hcart', path: 'vtl:/srv/lib#1', robotNumber: 3, robotDrive: 2 },
      mediaServer: HOST,
    },
  });
  expect((await shell.run('tpconfig -add -drive -asciiname d1')).status).toBe(144);
  expect((await shell.run('tpconfig')).status).toBe(144);
});

const DEVICES = {
  robots: [{ number: 3, type: 'tld', controlHost: HOST, path: 'vtl:/srv/lib', ndmpHost: '' }],
  drives: [
    {
      drive: {
        ...{ name: 'd1', index: 4, density: 'hcart', mediaServer: HOST, path: 'vtl:/srv/lib#1' },
        ...{ robotNumber: 3, robotDrive: 2, ndmpHost: '' },
      },
      ...{ state: 'UP', reason: '', lastUsedMs: 0n, errors: 0 },
    },
  ],
  mediaServers: [{ name: HOST, active: true, registeredMs: START_S * 1000n }],
};

test('tpconfig lists devices and deletes drives by index', async () => {
  answer('nbemm', {
    GetDevices: async () => DEVICES,
    DeleteDrive: async () => ({}),
    DeleteRobot: async () => ({}),
  });
  expect((await shell.run('tpconfig -d')).out).toMatchInlineSnapshot(`
    "id  drive  type   robot      media server  state  path
     4  d1     hcart  3 drive 2  media1        UP     vtl:/srv/lib#1

    robot  type  control host  path
    3      TLD   media1        vtl:/srv/lib
    "
  `);
  expect((await shell.run('tpconfig -l')).out).toMatchInlineSnapshot(`
    "robot 3 - TLD - - vtl:/srv/lib media1 *NULL*
    drive 4 hcart 3 2 UP d1 vtl:/srv/lib#1 media1 *NULL*
    "
  `);
  expect((await shell.run('tpconfig -dl')).out).toMatch(/Media server: +media1/);
  expect((await shell.run('tpconfig -delete -drive 4')).status).toBe(0);
  expect(asked('nbemm', 'DeleteDrive')).toMatchObject({ name: 'd1' });
  expect((await shell.run('tpconfig -delete -drive 5')).status).toBe(227);
  expect((await shell.run('tpconfig -delete -robot 3')).status).toBe(0);
  expect(asked('nbemm', 'DeleteRobot')).toMatchObject({ number: 3 });
});

const FILER = { name: 'filer1', address: '10.0.0.1', port: 10_001, user: 'backup', auth: 'md5' };

test('tpconfig -dnh lists NDMP hosts', async () => {
  answer('nbemm', {
    ListNdmpHosts: async ({ name }) => ({ hosts: name === 'nosuch' ? [] : [FILER] }),
  });
  expect((await shell.run('tpconfig -dnh')).out).toContain('filer1');
  expect((await shell.run('tpconfig -dnh nosuch')).status).toBe(227);
});

test('tpautoconf logs in with what tpconfig stored', async () => {
  answer('nbemm', { ListNdmpHosts: async () => ({ hosts: [FILER] }) });
  answer('ndmpagent', {
    Probe: async () => ({
      facts: [
        { group: 'server', name: 'product', value: 'Filer OS' },
        { group: 'tape', name: 'nrst0a', value: 'IBM ULTRIUM' },
      ],
    }),
  });
  const verify = await shell.run('tpautoconf -verify filer1', { secret: 'pw' });
  expect(verify).toMatchObject({ status: 0 });
  expect(verify.out).toContain('Filer OS');
  expect(verify.out).not.toContain('ULTRIUM');
  expect(asked('ndmpagent', 'Probe')).toMatchObject({
    ...{ address: '10.0.0.1', port: 10_001, user: 'backup', password: 'pw' },
  });
  expect((await shell.run('tpautoconf -probe filer1', { secret: 'pw' })).out).toContain('ULTRIUM');
});

test('a refused login has the status of the daemon', async () => {
  answer('ndmpagent', {
    Probe: async () => {
      throw new StatusError('authenticationFailed', 'filer1 refused the login');
    },
  });
  expect(await shell.run('tpautoconf -verify filer1', { secret: 'pw' })).toMatchObject({
    ...{ status: 116, out: '' },
    error: 'EXIT STATUS 116: authentication failed\n  filer1 refused the login\n',
  });
});

test('volumes are added, listed, and follow the robot', async () => {
  const pools = [{ number: 4, name: 'offsite', description: '', scratch: false }];
  answer('nbemm', {
    AddVolume: async () => ({}),
    ListPools: async () => ({ pools }),
    ListVolumes: async ({ mediaId }) => ({ volumes: mediaId === 'NONE01' ? [] : [volumeRow()] }),
    InventoryRobot: async ({ recommendOnly }) => ({
      changes: [{ mediaId: 'TAP002', barcode: 'TAP002', change: 'add', slot: 2, oldSlot: 0 }],
      applied: !recommendOnly,
    }),
  });
  await shell.run('vmadd -m TAP009 -mt HCART2 -rt TLD -rn 3 -rc1 7 -p 4');
  expect(asked('nbemm', 'AddVolume')).toMatchObject({
    volume: { mediaId: 'TAP009', density: 'hcart2', robotNumber: 3, slot: 7, pool: 'offsite' },
    mediaType: 'HCART2',
  });
  expect((await shell.run('vmadd -m TAP009')).status).toBe(144);
  expect((await shell.run('vmadd -m TAP009 -mt HCART -p 77')).status).toBe(167);
  expect((await shell.run('vmquery -a -b')).out).toContain('TAP001');
  expect((await shell.run('vmquery -m NONE01')).status).toBe(227);
  expect((await shell.run('vmquery -a -mt DLT')).status).toBe(227);
  expect((await shell.run('vmquery -rn 3')).status).toBe(0);
  expect(asked('nbemm', 'ListVolumes')).toMatchObject({ robotNumber: 3, inRobot: true });
  expect((await shell.run('vmupdate -rt TLD -rn 3 -p offsite')).out).toBe(
    'Changed:\n  TAP002 (TAP002) added in slot 2\n',
  );
  expect((await shell.run('vmupdate -rt TLD -rn 3 -recommend')).out).toMatch(/^Would change/);
});

test('vmpool makes and lists pools', async () => {
  answer('nbemm', {
    AddPool: async () => ({}),
    ListPools: async () => ({
      pools: [{ number: 5, name: 'spare', description: 'for all', scratch: true }],
    }),
  });
  await shell.run(['vmpool', '-create', '-pn', 'spare', '-description', 'for all', '-scratch']);
  expect(asked('nbemm', 'AddPool')).toMatchObject({ name: 'spare', scratch: true });
  expect((await shell.run('vmpool -list_all -bx')).out).toMatch(/5 +spare +scratch +for all/);
});

test('storage units are added on this machine and listed', async () => {
  answer('nbemm', {
    AddStorageUnit: async () => ({}),
    ListStorageUnits: async ({ name }) => ({
      units:
        name === 'nosuch'
          ? []
          : [
              {
                ...{ label: 'unit1', type: 'Media Manager', mediaServer: HOST, density: 'hcart' },
                ...{ robotNumber: 3, robotType: 'tld', maxDrives: 2, maxFragmentMb: 1024n },
                ...{ onDemandOnly: true, ndmpHost: '', maxMpx: 1 },
              },
            ],
    }),
  });
  await shell.run('bpstuadd -label unit1 -density hcart -rt TLD -rn 3 -cj 2 -odo 1 -mfs 1024');
  expect(asked('nbemm', 'AddStorageUnit')).toMatchObject({
    unit: {
      ...{ label: 'unit1', mediaServer: HOST, robotNumber: 3, maxDrives: 2, onDemandOnly: true },
      maxFragmentMb: 1024n,
    },
  });
  expect((await shell.run('bpstulist -l')).out).toBe(
    'unit1 2 media1 8 3 6 2 *NULL* 1 1 1024 *NULL*\n',
  );
  expect((await shell.run('bpstulist -label nosuch')).status).toBe(227);
});

test('drives are shown with what is in them, and set up and down', async () => {
  const holder = { attempt: { jobId: 7n, try: 1, step: 0 }, grantId: 'g1', epoch: 5n };
  answer('nbemm', { GetDevices: async () => DEVICES, SetDriveState: async () => ({}) });
  answer('ltid', {
    ListMounts: async () => ({
      mounts: [{ drive: 'd1', mediaId: 'TAP001', holder, state: 'mounted' }],
    }),
  });
  expect((await shell.run('vmoprcmd')).out).toMatch(/4 +d1 +hcart +UP +TAP001 +mounted +7 +media1/);
  expect((await shell.run('vmoprcmd -down 4')).status).toBe(0);
  expect(asked('nbemm', 'SetDriveState')).toEqual({
    ...{ name: 'd1', up: false, reason: 'set down by operator@desk' },
  });
  await shell.run('vmoprcmd -upbyname d1');
  expect(asked('nbemm', 'SetDriveState')).toMatchObject({ name: 'd1', up: true, reason: '' });
  expect((await shell.run('vmoprcmd -up 9')).status).toBe(227);
  answer('ltid', {
    ListMounts: async () => {
      throw new StatusError('systemError', 'no table');
    },
  });
  expect(await shell.run('vmoprcmd')).toMatchObject({
    status: 0,
    error: expect.stringMatching(/no table/),
  });
});

test('volumes and storage units are deleted', async () => {
  answer('nbemm', {
    DeleteStorageUnit: async () => ({}),
    DeleteVolume: async () => {
      throw new StatusError('conflict', 'volume TAP001 is assigned');
    },
  });
  expect((await shell.run('bpstudel -label unit1')).status).toBe(0);
  expect((await shell.run('vmdelete -m TAP001')).status).toBe(224);
});

test('nbpemreq lists what becomes due until a date', async () => {
  const task = {
    ...{ policy: 'filers', schedule: 'full', client: 'filer1', path: '/vol/home' },
    ...{ dueMs: START_S * 1000n, reason: 'a week has passed' },
  };
  answer('nbpem', { ListDue: async ({ policy: name }) => ({ tasks: name === '' ? [task] : [] }) });
  expect((await shell.run('nbpemreq -due -date 11/23/2025')).out).toContain('a week has passed');
  expect(asked('nbpem', 'ListDue')).toMatchObject({ untilMs: 1_763_856_000_000n });
  expect((await shell.run('nbpemreq -due -policy_filter none')).status).toBe(227);
});

test('nbkmsutil shows the store and its groups', async () => {
  answer('nbkms', {
    GetInfo: async () => ({ ready: true, hmkId: 'h1', kpkId: 'k1', keyGroups: 0 }),
    ListKeyGroups: async () => ({ groups: [] }),
  });
  expect((await shell.run('nbkmsutil -gethmkid')).out).toBe('HMK ID: h1\n');
  expect((await shell.run('nbkmsutil -ksstats')).out).toMatch(/Key store: +ready/);
  expect((await shell.run('nbkmsutil -listkgs')).status).toBe(227);
});

test('nbrbutil shows what waits and why, and vouches for a drive', async () => {
  const attempt = { jobId: 9n, try: 1, step: 0 };
  answer('nbrb', {
    Dump: async () => ({
      waiting: [
        {
          request: { attempt, policy: 'filers', client: 'filer1', storageUnit: 'unit1' },
          reasons: ['drive d1 is in use by job 7'],
        },
      ],
      grants: [
        {
          grant: {
            ...{ grantId: 'g1', epoch: 5n, attempt: { jobId: 7n, try: 2, step: 0 } },
            ...{ mode: 'DRIVE_MODE_WRITE', storageUnit: 'unit1', mediaServer: HOST },
            drive: { name: 'd1' },
            volume: { mediaId: 'TAP001', pool: 'NetBackup' },
          },
          ...{ state: 'active', renewedMs: START_S * 1000n },
        },
      ],
      unknown: [{ kind: 'drive', name: 'd2', reason: 'no word', sinceMs: START_S * 1000n }],
    }),
    ReleaseUnknown: async () => ({}),
  });
  const { out } = await shell.run('nbrbutil -dump');
  expect(out).toContain('waits: drive d1 is in use by job 7');
  expect(out).toMatch(/7 \(try 2\) +write +d1 +TAP001/);
  expect(out).toMatch(/drive +d2 +11\/22\/2025 07:00:00 +no word/);
  expect((await shell.run('nbrbutil -listActiveDriveJobs d1')).status).toBe(0);
  expect((await shell.run('nbrbutil -listActiveDriveJobs d9')).status).toBe(227);
  expect((await shell.run('nbrbutil -releaseOrphanedDrive d2')).status).toBe(0);
  expect(asked('nbrb', 'ReleaseUnknown')).toEqual({
    ...{ kind: 'drive', name: 'd2', requester: 'operator@desk' },
  });
});

test('bpimagelist asks for the last day, and lists in each form', async () => {
  answer('bpdbm', {
    ListImages: async ({ backupId }) => ({
      images: backupId === 'nosuch' ? [] : [imageRow()],
      more: false,
    }),
  });
  expect((await shell.run('bpimagelist -idonly')).out).toBe('filer1_1763794800\n');
  expect(asked('bpdbm', 'ListImages')).toMatchObject({ startS: START_S - 86_400n, endS: 0n });
  await shell.run('bpimagelist -hoursago 2 -client filer1 -policy filers');
  expect(asked('bpdbm', 'ListImages')).toMatchObject({
    ...{ startS: START_S - 7_200n, client: 'filer1', policy: 'filers' },
  });
  expect((await shell.run('bpimagelist -backupid nosuch')).status).toBe(227);
  expect(asked('bpdbm', 'ListImages')).toMatchObject({ startS: 0n });
});

test('bplist reads page after page', async () => {
  const file = (name: string) => ({
    path: Buffer.from(`/vol/${name}`),
    ...{ type: 'file', sizeBytes: 5n, mtimeS: START_S, mode: 0o640, uid: 1, gid: 2 },
    backupId: 'filer1_1763794800',
  });
  const seen: string[] = [];
  answer('bpdbm', {
    ListFiles: async ({ afterPath }) => {
      seen.push(Buffer.from(afterPath).toString());
      return seen.length === 1
        ? { files: [file('a'), file('b')], more: true }
        : { files: [file('c')], more: false };
    },
  });
  expect((await shell.run('bplist -C filer1 -t 19 -R 5 /vol')).out).toBe(
    '/vol/a\n/vol/b\n/vol/c\n',
  );
  expect(seen).toEqual(['', '/vol/b']);
  expect(asked('bpdbm', 'ListFiles')).toMatchObject({ client: 'filer1', recursionDepth: 5 });
  answer('bpdbm', { ListFiles: async () => ({ files: [], more: false }) });
  expect((await shell.run('bplist -C filer1 /vol/none')).status).toBe(227);
  expect((await shell.run('bplist -C filer1 -t 13 /vol')).status).toBe(20);
  expect((await shell.run('bplist /vol')).status).toBe(144);
});

test('bpbackup prints the job ids', async () => {
  answer('bprd', { SubmitBackup: async () => ({ jobIds: [7n, 8n] }) });
  const { status, out } = await shell.run('bpbackup -i -p filers -s full -h filer1 -k word');
  expect({ status, out }).toEqual({ status: 0, out: 'job 7 submitted\njob 8 submitted\n' });
  expect(asked('bprd', 'SubmitBackup')).toMatchObject({
    ...{ policy: 'filers', schedule: 'full', client: 'filer1', keyword: 'word' },
    requester: { user: 'operator', host: 'desk' },
  });
  expect((await shell.run('bpbackup -p filers')).status).toBe(144);
  expect((await shell.run('bpbackup -i')).status).toBe(144);
});

test('bpbackup -w follows the job and exits with its status', async () => {
  const log = join(dir, 'progress.log');
  const rows = [
    jobRow({ state: 'JOB_STATE_QUEUED', bytes: 0n, stateDetails: 'no drive is free' }),
    jobRow({ bytes: 1_000_000n }),
    jobRow({ bytes: 3_000_000n }),
    jobRow({ state: 'JOB_STATE_DONE', status: 84, statusText: 'TAP001 block 8 was refused' }),
  ];
  let asks = 0;
  answer('bprd', { SubmitBackup: async () => ({ jobIds: [7n] }) });
  answer('bpjobd', {
    GetJob: async ({ afterLine }) => {
      asks += 1;
      // Not there yet when it was just submitted; away for a moment later.
      if (asks === 1) throw new StatusError('jobMissing', 'no job 7');
      if (asks === 3) throw new StatusError('databaseError', 'away');
      const line = { number: 1n, text: 'began', producer: 'bptm', atMs: START_S * 1000n };
      return { job: rows.shift() ?? null, lines: afterLine === 0n ? [line] : [] };
    },
  });
  const { status, out, error } = await shell.run(`bpbackup -i -p filers -w -L ${log}`);
  expect(status).toBe(84);
  expect(out).toMatchInlineSnapshot(`
    "job 7 submitted
    job 7: Queued (no drive is free)
    job 7: Active, writing: 1.0 MB, 1.0 MB/s, 12 files
    job 7: ended with status 84: 2.0 MB, 12 files
    "
  `);
  expect(error).toBe('EXIT STATUS 84: writing to the media failed\n  TAP001 block 8 was refused\n');
  expect(readFileSync(log, 'utf8')).toMatch(/- info bptm began\n[\s\S]*status 84/);
  expect(readFileSync(log, 'utf8').match(/began/g)).toHaveLength(1);
});

test('on a screen one line is rewritten', async () => {
  const rows = [jobRow(), jobRow({ state: 'JOB_STATE_DONE' })];
  answer('bprd', { SubmitBackup: async () => ({ jobIds: [7n] }) });
  answer('bpjobd', { GetJob: async () => ({ job: rows.shift() ?? null }) });
  const { status, out } = await shell.run('bpbackup -i -p filers -w', { isScreen: true });
  expect(status).toBe(0);
  expect(out).toBe(
    'job 7 submitted\n\rjob 7: Active, writing: 2.0 MB, 12 files\u001b[K\r\u001b[K' +
      'job 7: done: 2.0 MB, 12 files\n',
  );
});

test('bpbackup -w hh:mm:ss gives up in time, and says that the job goes on', async () => {
  answer('bprd', { SubmitBackup: async () => ({ jobIds: [7n] }) });
  answer('bpjobd', { GetJob: async () => ({ job: jobRow() }) });
  const { status, error } = await shell.run('bpbackup -i -p filers -w 00:00:05');
  expect(status).toBe(41);
  expect(error).toMatch(/goes on/);
});

test('of several jobs some fail: partial', async () => {
  answer('bprd', { SubmitBackup: async () => ({ jobIds: [7n, 8n] }) });
  answer('bpjobd', {
    GetJob: async ({ jobId }) => ({
      job: jobRow({ jobId, state: 'JOB_STATE_DONE', status: jobId === 7n ? 0 : 99 }),
    }),
  });
  expect((await shell.run('bpbackup -i -p filers -w')).status).toBe(1);
});

test('bprestore sends paths, rename rules and dates', async () => {
  const rules = join(dir, 'rules');
  const list = join(dir, 'list');
  writeFileSync(rules, 'change /vol/home to /vol/back\n');
  writeFileSync(list, '/vol/home/b\n');
  answer('bprd', {
    SubmitRestore: async () => ({ jobId: 9n, files: 2n, bytes: 5_000_000n, backupIds: ['f_1'] }),
  });
  const { status, out } = await shell.run([
    ...['bprestore', '-C', 'filer1', '-D', 'filer2', '-t', '19', '-p', 'filers', '-R', rules],
    ...['-f', list, '-s', '11/22/2025', '06:00:00', '-e', '11/22/2025 07:00:00', '-K'],
    '/vol/home/a',
  ]);
  expect({ status, out }).toEqual({
    status: 0,
    out: 'job 9 submitted: 2 files, 5.0 MB from f_1\n',
  });
  expect(asked('bprd', 'SubmitRestore')).toMatchObject({
    ...{ client: 'filer1', destClient: 'filer2', policy: 'filers', keepExisting: true },
    paths: ['/vol/home/a', '/vol/home/b'],
    renames: [{ from: '/vol/home', to: '/vol/back' }],
    ...{ startS: START_S - 3_600n, endS: START_S },
  });
  expect((await shell.run('bprestore -C filer1')).status).toBe(144);
  answer('bprd', {
    SubmitRestore: async () => {
      throw new StatusError('noneMatched', 'no image holds /vol/x');
    },
  });
  expect((await shell.run('bprestore -C filer1 /vol/x')).status).toBe(190);
});

test('bpdbjobs reports, counts, cancels and deletes', async () => {
  answer('bpjobd', {
    ListJobs: async ({ jobIds, beforeJobId }) => {
      const all = [8n, 7n].filter((id) => beforeJobId === 0n || id < beforeJobId);
      const chosen = jobIds.length === 0 ? all : all.filter((id) => jobIds.includes(id));
      return {
        jobs: chosen.slice(0, 1).map((jobId) => jobRow({ jobId })),
        more: chosen.length > 1,
        summary: { queued: 1n, active: 2n, total: 3n },
      };
    },
    GetJob: async ({ jobId }) => ({ job: jobRow({ jobId }) }),
    DeleteJobs: async ({ jobIds }) => ({ deleted: jobIds.length - 1 }),
  });
  answer('nbjm', {
    CancelJob: async ({ jobId }) => {
      if (jobId === 99n) throw new StatusError('jobMissing', 'there is no job 99');
      return {};
    },
  });
  expect((await shell.run('bpdbjobs')).out.match(/^ +\d /gm)).toHaveLength(2);
  expect((await shell.run('bpdbjobs -report -all_columns')).out.match(/^[78],/gm)).toHaveLength(2);
  expect((await shell.run('bpdbjobs -jobid 7 -l')).out).toMatch(/^7 0 1 - filers full filer1/);
  expect((await shell.run('bpdbjobs -jobid 7,55')).status).toBe(805);
  expect((await shell.run('bpdbjobs -summary -all_columns')).out).toBe('1,0,2,0,0,0,0,0,3\n');
  expect((await shell.run('bpdbjobs -cancel 7,8')).status).toBe(0);
  expect(asked('nbjm', 'CancelJob')).toMatchObject({ jobId: 8n, requester: 'operator' });
  expect(await shell.run('bpdbjobs -cancel 99,7')).toMatchObject({ status: 805 });
  expect(asked('nbjm', 'CancelJob')).toMatchObject({ jobId: 7n });
  expect((await shell.run('bpdbjobs -cancel 99')).error).toBe(
    'job 99: EXIT STATUS 805: the job id is not valid\n  there is no job 99\n',
  );
  expect((await shell.run('bpdbjobs -cancel_all')).status).toBe(0);
  expect((await shell.run('bpdbjobs -delete 7,8')).status).toBe(227);
  expect((await shell.run('bpdbjobs -jobid seven')).status).toBe(144);
  expect((await shell.run('bpdbjobs -summary -cancel 7')).status).toBe(144);
});

test.each([
  'bpbackup -frob',
  'bpplinfo',
  'bpplinfo a b',
  'vmupdate',
  'bpstuadd -label x',
  'nbrbutil',
  'nbkmsutil',
  'vmquery',
  'vmpool',
  'tpautoconf',
  'vtl',
  'vtl burn /tmp/x',
  'bpimagelist -d tomorrow',
])('%s is refused with 144 and the usage', async (line) => {
  const { status, out, error } = await shell.run(line);
  expect({ status, out }).toEqual({ status: 144, out: '' });
  expect(error).toMatch(/^\w+: .+\nusage: /);
});

test('vtl makes a library and shows it', async () => {
  const library = join(dir, 'library');
  const line = `vtl create ${library} -drives 1 -slots 3 -cartridges 2 -capacity 4m -prefix ab`;
  const { status, out } = await shell.run(line);
  expect(status).toBe(0);
  expect(out).toContain(`vtl:${library}#0`);
  expect((await shell.run(line)).status).toBe(226);
  await shell.run('vtl add library -capacity 4m -prefix ab', { cwd: dir });
  const listed = (await shell.run('vtl list library', { cwd: dir })).out;
  expect(listed).toMatch(/slot 1 +1024 +AB0001/);
  expect(listed).toMatch(/import\/export 1 +768 +AB0003/);
  expect((await shell.run(`vtl list ${dir}/nosuch`)).status).toBe(2059);
});
