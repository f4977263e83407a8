// bpexpdate: when images expire; 0 ends them now, and gives back the volumes that have nothing else on them.

import type {
  ChangeExpirationReply,
  ChangeExpirationRequest,
  Init,
  ScheduleType,
} from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { cleanUpAndWait } from '../cleanup-job.ts';
import { type Context, command } from '../command.ts';
import { formatDateTime } from '../date-time.ts';
import { type ParsedLine, PRIMARY_SERVER, usage } from '../option-table.ts';
import { scheduleTypeByCode } from '../render/codes.ts';

const OPTIONS = {
  m: { kind: 'word', value: 'ID', help: 'every image on this volume or disk storage unit' },
  backupid: { kind: 'word', value: 'ID', help: 'one image' },
  d: { kind: 'date', orNever: true, orInfinity: true, help: 'then; 0: now; infinity: never' },
  host: { kind: 'word', value: 'HOST', help: 'only what this media server wrote' },
  client: { kind: 'word', value: 'HOST', help: 'only images of this client' },
  copy: { kind: 'number', value: 'N', help: 'copy of the image: 1 is the only one' },
  recalculate: { kind: 'flag', help: 'from the time of the backup and a retention level' },
  policy: { kind: 'word', value: 'NAME', help: 'recalculate images of this policy' },
  ret: { kind: 'number', value: 'LEVEL', help: 'retention level; without it that of the schedule' },
  sched: {
    kind: 'number',
    value: 'TYPE',
    help: 'recalculate only 0 full, 1 incremental, 4 cumulative',
  },
  deassignempty: { kind: 'flag', help: 'give back volumes that the catalog has no image on' },
  nodelete: { kind: 'flag', help: 'leave what lies on disk; the catalog forgets it' },
  notimmediate: { kind: 'flag', help: 'what expired is removed by the next cleanup, not now' },
  force: { kind: 'flag', help: 'do not ask' },
  M: PRIMARY_SERVER,
} as const;

type Line = ParsedLine<typeof OPTIONS>['options'];

const NEVER_S = 2_147_483_647;
/** Now, whatever clock decides. */
const AT_ONCE_S = 1;

export const bpexpdate = command({
  purpose: 'change when images expire, and give volumes without images back',
  synopsis: [
    '-m ID -d DATE|0|infinity [-host HOST] [-force] [-nodelete] [-notimmediate]',
    '-backupid ID -d DATE|0|infinity [-client HOST] [-copy N] [-force] [-nodelete] [-notimmediate]',
    '-recalculate [-backupid ID] [-policy NAME] [-client HOST] [-sched TYPE] [-ret LEVEL | -d DATE] [-force]',
    '-deassignempty [-m ID] [-force]',
  ],
  options: OPTIONS,
  example: 'bpexpdate -m TAP001 -d 0 -force',
  async run({ options }, context) {
    if (options.deassignempty) return await deassignEmpty(options, context);
    const request = { ...requestOf(options, context), mediaId: await mediumOf(options, context) };
    const isEnd = request.recalculate !== true && Number(request.expirationS) === AT_ONCE_S;
    const found = await preview(options, context, request, isEnd);
    if (found !== undefined) {
      await confirm(options, context, question(options, found, isEnd));
      const bpdbm = await context.client('bpdbm');
      const changed = await bpdbm.ChangeExpiration({ ...request, preview: false });
      context.out(report(changed, isEnd));
      if (changed.count === 0n) return new StatusError('noneMatched', '').code;
    }
    if (!isEnd || options.notimmediate) return 0;
    return await cleanUp(options, context);
  },
});

function requestOf(options: Line, context: Context): Init<ChangeExpirationRequest> {
  const { m, backupid, recalculate, policy, client, sched, ret, d, host, copy } = options;
  const chosen = [m, backupid].filter((each) => each !== undefined).length;
  if (recalculate ? m !== undefined : chosen !== 1) {
    throw usage('one of -m ID, -backupid ID, -recalculate and -deassignempty');
  }
  if (!recalculate && (policy ?? sched ?? ret) !== undefined) {
    throw usage('-policy, -sched and -ret go with -recalculate');
  }
  if (recalculate ? ret !== undefined && d !== undefined : d === undefined) {
    throw usage(recalculate ? 'one of -d and -ret' : '-d says when: a date, 0 or infinity');
  }
  if (recalculate && (backupid ?? policy ?? client ?? sched) === undefined) {
    throw usage('-recalculate needs -backupid, -policy, -client or -sched');
  }
  return {
    ...{ backupId: backupid, client, policy, mediaServer: host, copy },
    ...{ keepOnDisk: options.nodelete, requester: context.user, preview: true },
    ...{ scheduleTypes: sched === undefined ? [] : [scheduleType(sched)] },
    ...(d === undefined
      ? { recalculate: true, withRetentionLevel: ret !== undefined, retentionLevel: ret ?? 0 }
      : { expirationS: BigInt(d === 0 ? AT_ONCE_S : Math.min(d, NEVER_S)) }),
  };
}

function scheduleType(code: number): ScheduleType {
  const type = scheduleTypeByCode(code);
  if (type === undefined) throw usage(`-sched is 0, 1 or 4, not ${code}`);
  return type;
}

/** What would change. Undefined: nothing, but the volume may be free all the same. Error: 227. */
async function preview(
  { m }: Line,
  context: Context,
  request: Init<ChangeExpirationRequest>,
  isEnd: boolean,
): Promise<ChangeExpirationReply | undefined> {
  const bpdbm = await context.client('bpdbm');
  try {
    return await bpdbm.ChangeExpiration(request);
  } catch (error) {
    const none = error instanceof StatusError && error.status === 'notFound';
    if (!none || m === undefined) throw error;
    const volume = await volumeOf(context, m);
    if (volume === undefined) throw notKnown(m);
    if (!isEnd || !volume.assignedMs) throw error;
    return undefined;
  }
}

function notKnown(m: string): StatusError {
  return new StatusError('notFound', `no image is on ${m}, and no volume is called so`);
}

/** A volume's name may be typed in small letters; that of a disk storage unit is what it is. */
async function mediumOf({ m }: Line, context: Context): Promise<string | undefined> {
  if (m === undefined) return undefined;
  return (await volumeOf(context, m))?.mediaId ?? m;
}

async function volumeOf(context: Context, mediaId: string) {
  const { volumes } = await (await context.client('nbemm')).ListVolumes({ mediaId });
  return volumes[0]?.volume ?? undefined;
}

function question({ m }: Line, { count, images }: ChangeExpirationReply, isEnd: boolean): string {
  const which = count === 1n ? `image ${images[0]?.backupId}` : `${count} images`;
  const where = m === undefined ? '' : ` on ${m}`;
  return isEnd
    ? `${which}${where} will be removed from the catalog and cannot be restored. Go on? (y/n) `
    : `The expiration of ${which}${where} will be changed. Go on? (y/n) `;
}

/** Error: 150. */
async function confirm({ force }: Line, context: Context, text: string): Promise<void> {
  if (force) return;
  const answer = await context.terminal.ask(text);
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw new StatusError(
    'cancelled',
    'nothing was changed: the answer was not y (-force asks nothing)',
  );
}

const SHOWN_MAX = 20;

function report({ images, count, unchanged }: ChangeExpirationReply, isEnd: boolean): string {
  const lines = images
    .slice(0, SHOWN_MAX)
    .map(({ backupId, expirationS }) =>
      isEnd ? `${backupId} has expired` : `${backupId} ${expiryText(expirationS)}`,
    );
  const rest = Number(count) - lines.length;
  if (rest > 0) lines.push(`and ${rest} more`);
  return [...lines, ...unchanged.map((why) => `${why}: it stays as it is`)]
    .map((line) => `${line}\n`)
    .join('');
}

function expiryText(expirationS: bigint): string {
  if (Number(expirationS) >= NEVER_S) return 'never expires';
  return `expires ${formatDateTime(expirationS)}`;
}

async function cleanUp({ m }: Line, context: Context): Promise<number> {
  const status = await cleanUpAndWait(context);
  const volume = m === undefined ? undefined : await volumeOf(context, m);
  if (volume === undefined) return status;
  const { mediaId, pool } = volume;
  const what = volume.assignedMs ? 'stays assigned for now' : `is free, in pool ${pool}`;
  context.out(`volume ${mediaId} ${what}\n`);
  return status;
}

async function deassignEmpty(options: Line, context: Context): Promise<number> {
  const mediaId = options.m?.toUpperCase();
  const which = mediaId === undefined ? 'Every volume' : `Volume ${mediaId}`;
  const text = `${which} that this catalog has no image on is given back, whatever lies on it. Go on? (y/n) `;
  await confirm(options, context, text);
  const bpdbm = await context.client('bpdbm');
  const { returned, kept } = await bpdbm.DeassignEmpty({ mediaId, requester: context.user });
  context.out(returned.map((id) => `volume ${id} is free\n`).join(''));
  for (const { mediaId: id, reason } of kept) context.error(`volume ${id} stays: ${reason}\n`);
  if (mediaId !== undefined && returned.length + kept.length === 0) {
    const volume = await volumeOf(context, mediaId);
    if (volume === undefined) throw notKnown(mediaId);
    if (!volume.assignedMs) throw new StatusError('mediaNotAssigned', `${mediaId} is not assigned`);
    throw new StatusError(
      'conflict',
      `the catalog has images on ${mediaId}: bpmedialist -mcontents`,
    );
  }
  return kept.length > 0 ? new StatusError('partial', '').code : 0;
}
