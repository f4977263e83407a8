import '../../test/utc.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { imageRow, jobRow, policyRow, START_S, volumeRow } from '../../test/rows.ts';
import { fileLong, modeText, pathBytes, pathText, printable } from './file.ts';
import { imageLong, imageRecords, imageTable } from './image.ts';
import {
  allColumns,
  column,
  jobLong,
  jobShort,
  jobTable,
  mostColumns,
  summaryLong,
  summaryRecord,
} from './job.ts';
import { policyLong, policyRecords } from './policy.ts';
import { volumeBrief, volumeLong, volumeWide } from './volume.ts';

const NOW_MS = Number(START_S) * 1000 + 10_000;
const DONE = jobRow({ state: 'JOB_STATE_DONE', status: 1, endedMs: BigInt(NOW_MS) });

/** What a reader of the columns does: commas part, a backslash protects. */
function split(line: string): string[] {
  const values = [''];
  for (let i = 0; i < line.length; i += 1) {
    if (line[i] === ',') values.push('');
    else {
      if (line[i] === '\\') i += 1;
      values[values.length - 1] += line[i] ?? '';
    }
  }
  return values;
}

function reply(change: object = {}) {
  const line = {
    ...{ jobId: 7n, atMs: START_S * 1000n, producer: 'bptm', severity: 'info', number: 1n },
    ...{ text: 'mounted TAP001, ready', try: 1 },
  };
  const own = {
    ...{ try: 1, startedMs: START_S * 1000n, endedMs: 0n, status: 0, statusText: '' },
    ...{ mediaServer: 'media1', storageUnit: 'unit1', bytes: 2_048_000n, files: 12n },
    ...{ mediaId: 'TAP001', drive: 'drive0' },
  };
  return { job: jobRow(), tries: [own], lines: [line], sequence: 1n, ...change };
}

test('a column can be read back whatever it holds', () => {
  const value = fc.string({
    unit: fc.constantFrom('a', ',', '\\', ' ', '"', '\n', 'ü', '😀'),
    maxLength: 8,
  });
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 6 }), (values) => {
      const line = values.map(column).join(',');
      const clean = values.map((each) => each.replaceAll('\n', ' '));
      return !line.includes('\n') && split(line).join('|') === clean.join('|');
    }),
  );
});

test('-all_columns', () => {
  const path = '/vol/a, b';
  const text = allColumns(reply({ job: jobRow({ path, stateDetails: 'x,y' }) }), NOW_MS);
  expect(text).toMatchInlineSnapshot(`
    "7,0,1,,filers,full,filer1,media1,1763794800,10,0,unit1,1,3,2000,12,/vol/a\\, b,,,operator,0,19,0,0,,,1,,0,0,0,1,/vol/a\\, b,1,,unit1,media1,1763794800,10,0,,,1,11/22/2025 07:00:00 - info bptm mounted TAP001\\, ready,2000,12,0,200,1,,,,,,,,,TAP001,0,0,0,0,0,0,filer1_1,1,,,,x\\,y,,,
    "
  `);
  const values = split(text.trimEnd());
  expect(values[16]).toBe(path);
  expect(values[31]).toBe('1');
  expect(values[32]).toBe(path);
  expect(values[33]).toBe('1');
  // pid, unit, server, start, elapsed, end, status, description, line count, line, kilobytes, files
  expect(values.slice(34, 46)).toEqual([
    ...['', 'unit1', 'media1', String(START_S), '10', '0', '', '', '1'],
    ...['11/22/2025 07:00:00 - info bptm mounted TAP001, ready', '2000', '12'],
  ]);
  expect(values.slice(46, 49)).toEqual(['0', '200', '1']);
});

test('-most_columns has the same fields without files and tries', () => {
  const whole = split(allColumns(reply(), NOW_MS));
  const most = split(mostColumns(jobRow(), NOW_MS));
  expect(most.slice(0, 31)).toEqual(whole.slice(0, 31));
  expect(most.slice(31, 33)).toEqual(['0', '1']);
  expect(most.slice(33)).toEqual(whole.slice(46));
});

test('the status of a job shows when it is done', () => {
  expect(split(mostColumns(jobRow({ status: 84 }), NOW_MS))[3]).toBe('');
  expect(split(mostColumns(DONE, NOW_MS)).slice(2, 4)).toEqual(['3', '1']);
});

test('jobs for people', () => {
  expect(jobTable([jobRow(), DONE], NOW_MS)).toMatchInlineSnapshot(`
    "JobID  Type    State   Status  Policy  Schedule  Client  Path       Media Server  Started                Elapsed  Kilobytes  Files
        7  Backup  Active          filers  full      filer1  /vol/home  media1        11/22/2025 07:00:00  000:00:10       2000     12
        7  Backup  Done         1  filers  full      filer1  /vol/home  media1        11/22/2025 07:00:00  000:00:10       2000     12
    "
  `);
  expect(jobLong(reply(), NOW_MS)).toMatchInlineSnapshot(`
    "Job ID:          7
    Type:            Backup
    State:           Active
    State Details:   -
    Status:          -
    Policy:          filers
    Schedule:        full
    Client:          filer1
    Path:            /vol/home
    Media Server:    media1
    Storage Unit:    unit1
    Media:           TAP001 in drive0
    Operation:       writing
    Attempt:         1
    Backup ID:       filer1_1
    Owner:           operator
    Priority:        0
    Submitted:       11/22/2025 07:00:00
    Started:         11/22/2025 07:00:00
    Elapsed:         000:00:10
    Ended:           -
    Tried again at:  -
    Kilobytes:       2000
    Files:           12
    KB/sec:          200
    % complete:      -
    Try 1: running, 000:00:10, 2000 KB, 12 files
      11/22/2025 07:00:00 - info bptm mounted TAP001, ready
    "
  `);
  expect(jobShort(DONE)).toMatchInlineSnapshot(`
    "7 0 3 1 filers full filer1 media1 1763794800 1763794810 2000 12
    "
  `);
});

test('a job that is being cancelled says so', () => {
  expect(jobTable([jobRow({ cancelling: true })], NOW_MS)).toContain('Cancelling');
});

test('a summary has all buckets', () => {
  expect(summaryLong({ active: 2n, total: 3n })).toMatchInlineSnapshot(`
    "Queued:                0
    Waiting-to-Retry:      0
    Active:                2
    Successful:            0
    Partially Successful:  0
    Failed:                0
    Incomplete:            0
    Suspended:             0
    Total:                 3
    "
  `);
  expect(summaryRecord({ active: 2n, total: 3n }, ' ')).toBe('0 0 2 0 0 0 0 0 3\n');
});

test('policies', () => {
  expect(policyLong(policyRow({ clients: ['filer1', 'filer2'] }))).toMatchInlineSnapshot(`
    "Policy Name:      filers
    Policy Type:      NDMP
    Active:           yes
    Residence:        unit1
    Volume Pool:      NetBackup
    Job Priority:     0
    Max Jobs/Policy:  Unlimited
    Keyword:          -
    Generation:       4

    Client/HW/OS:  filer1 NDMP NDMP
                   filer2 NDMP NDMP

    Include:  /vol/home

    Schedule:           full
      Type:             Full Backup
      Frequency:        1 week (604800 seconds)
      Retention Level:  1
      Maximum MPX:      1
      Residence:        (policy)
      Volume Pool:      (policy)
      Daily Windows:
        Saturday   022:00:00  for  006:00:00
    "
  `);
  expect(policyRecords(policyRow())).toMatchInlineSnapshot(`
    "CLASS filers *NULL* 0 4 0 *NULL*
    NAMES
    INFO 19 0 0 0 *NULL* 0 0 2147483647 0 0 0 0 0 0 0 0 0 0 0 *NULL* 1 0 0 0 0 0 *NULL* 0 -1 0 *NULL* 0 0 0 0 0 4
    KEY *NULL*
    BCMD *NULL*
    RCMD *NULL*
    RES unit1 *NULL* *NULL* *NULL* *NULL* *NULL* *NULL* *NULL* *NULL* *NULL*
    POOL NetBackup *NULL* *NULL* *NULL* *NULL* *NULL* *NULL* *NULL* *NULL* *NULL*
    FOE 0 0 0 0 0 0 0 0 0 0
    SHAREGROUP *ANY*
    DATACLASSIFICATION *NULL*
    CLIENT filer1 NDMP NDMP 0 0 0 0 *NULL*
    INCLUDE /vol/home
    SCHED full 0 1 604800 1 0 0 0 *NULL* 0 0 1 0 0 0 -1 *NULL* 0
    SCHEDWIN 0 0 0 0 0 0 0 0 0 0 0 0 79200 21600
    SCHEDRES *NULL*
    SCHEDPOOL *NULL*
    SCHEDRL 1
    SCHEDFOE 0
    "
  `);
});

test('images', () => {
  expect(imageTable([imageRow(), imageRow({ expirationS: 0n })])).toMatchInlineSnapshot(`
    "Backed Up            Expires              Files     KB  Sched Type   Client  Policy  Path       Backup ID
    11/22/2025 07:00:00  12/06/2025 07:00:00     42  10240  Full Backup  filer1  filers  /vol/home  filer1_1763794800
    11/22/2025 07:00:00  in progress             42  10240  Full Backup  filer1  filers  /vol/home  filer1_1763794800
    "
  `);
  expect(imageLong(imageRow())).toMatchInlineSnapshot(`
    "Client:               filer1
    Backup ID:            filer1_1763794800
    Policy:               filers
    Policy Type:          NDMP (19)
    Creator:              operator
    Sched Label:          full
    Schedule Type:        Full Backup
    Retention Level:      1
    Backup Time:          11/22/2025 07:00:00 (1763794800)
    Elapsed Time:         61 second(s)
    Expiration Time:      12/06/2025 07:00:00 (1765004400)
    State:                valid
    Path:                 /vol/home
    Dump Type:            dump
    Dump Level:           0
    Based On:             -
    Kilobytes:            10240
    Number of Files:      42
    Number of Copies:     1
    Number of Fragments:  1
    Keyword:              -
    Storage Unit:         unit1
    File List SHA-256:    -
    Environment:          LEVEL=0
    Copy 1, fragment 1:
      Kilobytes:         10240
      Media ID:          TAP001
      Density:           hcart
      File Number:       2
      First Block:       5
      Block Size:        262144
      Stream:            bytes 0 to 10485760
      Media Date:        11/22/2025 07:00:00
      Written By:        media1, drive 0
      Digest:            ab
    "
  `);
  expect(imageRecords(imageRow())).toMatchInlineSnapshot(`
    "IMAGE filer1 0 0 1 filer1_1763794800 filers 19 *NULL* operator full 0 1 1763794800 61 1765004400 0 0 10240 42 1 1 0 filer1_1763794800.f *NULL* *NULL* *NULL* 1 0 0 0 *NULL* 0 0 0 0
    HIST -1 -1 -1 -1 -1 -1 -1 -1 -1 -1
    FRAG 1 1 10240 0 2 6 2 TAP001 media1 262144 5 1763794800 0 0 *NULL* 1765004400 0 1 0 0
    "
  `);
});

test('volumes', () => {
  const pools = new Map([['NetBackup', 1]]);
  expect(volumeBrief([volumeRow(), volumeRow({ statusBits: 3 })])).toMatchInlineSnapshot(`
    "media id  type   robot  #  slot  pool       assigned             state
    TAP001    HCART  TLD    0     3  NetBackup  11/22/2025 07:00:00  full
    TAP001    HCART  TLD    0     3  NetBackup  11/22/2025 07:00:00  frozen suspended
    "
  `);
  expect(volumeLong(volumeRow(), pools)).toMatchInlineSnapshot(`
    "media ID:            TAP001
    media type:          HCART
    barcode:             TAP001
    media description:   Added by hand
    volume pool:         NetBackup (1)
    robot type:          TLD
    robot number:        0
    robot slot:          3
    volume group:        000_00000_TLD
    created:             11/22/2025 07:00:00
    assigned:            11/22/2025 07:00:00
    last mounted:        11/22/2025 07:00:00
    first mount:         -
    last written:        -
    expiration date:     never
    data expires:        -
    number of mounts:    4
    max mounts allowed:  no limit
    kilobytes written:   4
    images:              2
    retention level:     1
    owner:               media1
    errors:              0
    status:              0x8 (full)
    "
  `);
  expect(volumeWide([volumeRow()], pools, true)).toMatchInlineSnapshot(`
    "TAP001 - HCART TAP001 - media1 TLD 0 3 - 000_00000_TLD NetBackup 1 - 4 0 - 11/22/2025 07:00:00 11/22/2025 07:00:00 - - 11/22/2025 07:00:00 - - 8 - - - - - 0 Added by hand
    "
  `);
});

test('every wide volume line has its 35 fields', () => {
  const pools = new Map([['NetBackup', 1]]);
  const empty = volumeRow({ volume: null, description: '', statusBits: 0 });
  for (const row of [volumeRow({ description: 'one' }), empty]) {
    expect(volumeWide([row], pools, true).trimEnd().split(' ')).toHaveLength(35);
  }
});

function file(change: object = {}) {
  return {
    ...{ path: Buffer.from('/vol/home/plan'), type: 'file', sizeBytes: 1234n, mtimeS: START_S },
    ...{ mode: 0o4750, uid: 1000, gid: 100, backupId: 'filer1_1763794800', node: 5n, fhInfo: 0n },
    ...change,
  };
}

test('files', () => {
  expect(fileLong(file(), false)).toBe(
    '-rwsr-x--- 1000     100              1234 Nov 22 2025 07:00:00 /vol/home/plan',
  );
  expect(fileLong(file({ mtimeS: 0n }), true)).toContain('Nov 22 2025 07:00:00');
  expect(pathText(file({ type: 'dir' }))).toBe('/vol/home/plan/');
});

test.each([
  ['dir', 0o1777, 'drwxrwxrwt'],
  ['file', 0o2644, '-rw-r-Sr--'],
  ['symlink', 0o777, 'lrwxrwxrwx'],
  ['other', 0, '?---------'],
])('mode of a %s %o', (type, mode, expected) => expect(modeText(type, mode)).toBe(expected));

test('a name cannot speak to the terminal, and stays one line', () => {
  expect(printable(Buffer.from('a\n\u001b[2Jb'))).toBe('a\\x0a\\x1b[2Jb');
  expect(printable(Buffer.from([0x61, 0xff, 0x62]))).toBe('a\\xffb');
  expect(printable(Buffer.from('größe'))).toBe('größe');
  expect(printable(Buffer.from('C:\\xff'))).toBe('C:\\x5cxff');
});

test('every name is found again by what is shown of it', () => {
  const names = fc.oneof(
    fc.uint8Array({ minLength: 1 }),
    fc.string({ unit: 'grapheme' }).map((text) => Buffer.from(text)),
    fc.stringMatching(/^(\\|x|f|1|é)*$/).map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(names, (name) => {
      expect(pathBytes(printable(name))).toEqual(Buffer.from(name));
    }),
  );
});
