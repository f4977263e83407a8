// Images as bpimagelist shows them: -U and -L for people, -l as IMAGE, HIST and FRAG records for programs.

import type { Fragment, ImageRow } from '@tapestry/contracts';
import { formatDateTime } from '../date-time.ts';
import { codeOfScheduleType, DENSITY_CODES, POLICY_TYPE_CODES, scheduleTypeText } from './codes.ts';
import { type Field, fields, orNull, table, word } from './table.ts';

const NEVER_S = 2_147_483_647n;
const IMAGE_VERSION = 1;
/** FRAG's media type of a tape cartridge. */
const TAPE = 2;

export function imageTable(images: readonly ImageRow[]): string {
  return table(
    [
      ...[{ title: 'Backed Up' }, { title: 'Expires' }, { title: 'Files', right: true }],
      ...[{ title: 'KB', right: true }, { title: 'Sched Type' }, { title: 'Client' }],
      ...[{ title: 'Policy' }, { title: 'Path' }, { title: 'Backup ID' }],
    ],
    images.map((image) => [
      ...[formatDateTime(image.backupTimeS), expirationText(image), String(image.files)],
      ...[String(image.bytes / 1024n), scheduleTypeText(image.scheduleType), image.client],
      ...[image.policy, image.path, image.backupId],
    ]),
  );
}

export function imageLong(image: ImageRow): string {
  const rows: Field[] = [
    ['Client', image.client],
    ['Backup ID', image.backupId],
    ['Policy', image.policy],
    ['Policy Type', `${image.policyType} (${POLICY_TYPE_CODES[image.policyType] ?? '?'})`],
    ['Creator', image.creator],
    ['Sched Label', image.schedule],
    ['Schedule Type', scheduleTypeText(image.scheduleType)],
    ['Retention Level', image.retentionLevel],
    ['Backup Time', `${formatDateTime(image.backupTimeS)} (${image.backupTimeS})`],
    ['Elapsed Time', `${image.elapsedS} second(s)`],
    ['Expiration Time', `${expirationText(image)} (${image.expirationS})`],
    ['State', image.state],
    ['Path', image.path],
    ['Dump Type', image.butype],
    ['Dump Level', image.level],
    ['Based On', image.baseBackupId],
    ['Kilobytes', image.bytes / 1024n],
    ['Number of Files', image.files],
    ['Number of Copies', 1],
    ['Number of Fragments', image.fragments.length],
    ['Keyword', image.keyword],
    ['Storage Unit', image.storageUnit],
    ['File List SHA-256', hex(image.fileList?.sha256)],
    ...image.env.map(({ name, value }): Field => ['Environment', `${name}=${value}`]),
  ];
  return fields(rows) + image.fragments.map(fragmentLong).join('');
}

function fragmentLong(fragment: Fragment): string {
  const rows: Field[] = [
    [`Copy ${fragment.copy}, fragment ${fragment.number}`, ''],
    ['  Kilobytes', bytesOf(fragment) / 1024n],
    ['  Media ID', fragment.mediaId],
    ['  Density', fragment.density],
    ['  File Number', fragment.fileNumber],
    ['  First Block', fragment.blockNumber],
    ['  Block Size', fragment.blockSizeBytes],
    ['  Stream', `bytes ${fragment.streamBeginBytes} to ${fragment.streamEndBytes}`],
    ['  Media Date', formatDateTime(fragment.mediaAssignedMs / 1000n)],
    ['  Written By', `${fragment.mediaServer}, drive ${fragment.driveIndex}`],
    ['  Digest', hex(fragment.digest)],
  ];
  return fields(rows).replace(/: +-\n/, ':\n');
}

/** The IMAGE record in NetBackup's order, the history, and a FRAG record for each fragment. */
export function imageRecords(image: ImageRow): string {
  const values = [
    ...['IMAGE', image.client, 0, 0, IMAGE_VERSION, image.backupId, word(image.policy)],
    ...[POLICY_TYPE_CODES[image.policyType] ?? 19, '*NULL*', orNull(image.creator)],
    ...[word(image.schedule), codeOfScheduleType(image.scheduleType), image.retentionLevel],
    ...[image.backupTimeS, image.elapsedS, image.expirationS, 0, 0, image.bytes / 1024n],
    ...[image.files, 1, image.fragments.length, 0, `${image.backupId}.f`, '*NULL*', '*NULL*'],
    ...['*NULL*', 1, 0, 0, 0, word(image.keyword), 0, 0, 0, image.level],
  ];
  const lines = [values.join(' '), `HIST ${Array<number>(10).fill(-1).join(' ')}`];
  return `${[...lines, ...image.fragments.map((each) => fragmentRecord(each, image))].join('\n')}\n`;
}

function fragmentRecord(fragment: Fragment, image: ImageRow): string {
  const bytes = bytesOf(fragment);
  return [
    ...['FRAG', fragment.copy, fragment.number, bytes / 1024n, bytes % 1024n, TAPE],
    ...[DENSITY_CODES[fragment.density] ?? 0, fragment.fileNumber, fragment.mediaId],
    ...[fragment.mediaServer, fragment.blockSizeBytes, fragment.blockNumber],
    ...[fragment.mediaAssignedMs / 1000n, fragment.driveIndex, 0, '*NULL*', image.expirationS],
    ...[0, image.retentionLevel, 0, 0],
  ].join(' ');
}

function bytesOf(fragment: Fragment): bigint {
  return fragment.streamEndBytes - fragment.streamBeginBytes;
}

function expirationText({ expirationS }: ImageRow): string {
  if (expirationS === 0n) return 'in progress';
  return expirationS >= NEVER_S ? 'INFINITY' : formatDateTime(expirationS);
}

function hex(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : Buffer.from(bytes).toString('hex');
}
