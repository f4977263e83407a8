// vmoprcmd: how the drives are, what is in them, setting them up or down, and the mounts that wait for an operator.

import type { DriveRow, MountRow } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { type Context, command, requireSome } from '../command.ts';
import { usage } from '../option-table.ts';
import { answerPending, listPending } from '../pending-requests.ts';
import { table } from '../render/table.ts';

export const vmoprcmd = command({
  purpose: 'show drives or pending mounts, set drives up or down, answer mounts',
  synopsis: [
    '[-d [ds|pr]] [-h HOST]',
    '-assignbyname DRIVE REQUEST | -deny REQUEST | -resubmit REQUEST [-h HOST]',
    '-up INDEX | -upbyname NAME [-h HOST [-path PATH]]',
    '-down INDEX | -downbyname NAME [-h HOST [-path PATH]]',
  ],
  options: {
    d: {
      ...{ kind: 'maybe', pattern: /^(ds|pr)$/, value: 'ds|pr' },
      help: 'show the drives (what it does when nothing is said), or the mounts that wait',
    },
    assignbyname: {
      ...{ kind: 'words', count: 2, value: 'DRIVE REQUEST' },
      help: 'the volume that a mount waits for is in its drive now',
    },
    deny: { kind: 'number', value: 'REQUEST', help: 'a mount that waits fails (906)' },
    resubmit: { kind: 'number', value: 'REQUEST', help: 'a mount that waits is tried again' },
    h: { kind: 'word', value: 'HOST', help: 'this media server only: its drives, its path' },
    path: { kind: 'word', value: 'PATH', help: 'with -h: this path of several' },
    up: { kind: 'number', value: 'INDEX', help: 'set a drive up' },
    upbyname: { kind: 'word', value: 'NAME', help: 'set a drive up' },
    down: { kind: 'number', value: 'INDEX', help: 'set a drive down' },
    downbyname: { kind: 'word', value: 'NAME', help: 'set a drive down' },
  },
  example: 'vmoprcmd -downbyname drive1',
  async run({ options }, context) {
    const { assignbyname, deny, resubmit, h } = options;
    if (options.d === 'pr') return listPending(context, h);
    if (deny !== undefined) {
      return answerPending(context, h, { id: BigInt(deny), answer: 'deny' });
    }
    if (resubmit !== undefined) {
      return answerPending(context, h, { id: BigInt(resubmit), answer: 'resubmit' });
    }
    if (assignbyname !== undefined) {
      const [drive = '', id = ''] = assignbyname;
      if (!/^\d{1,15}$/.test(id)) throw usage(`'${id}' is no number of a request`);
      return answerPending(context, h, { id: BigInt(id), answer: 'assign', drive });
    }
    return drivesCommand(options, context);
  },
});

interface DriveOptions {
  readonly h: string | undefined;
  readonly path: string | undefined;
  readonly up: number | undefined;
  readonly upbyname: string | undefined;
  readonly down: number | undefined;
  readonly downbyname: string | undefined;
}

async function drivesCommand(options: DriveOptions, context: Context): Promise<number> {
  const nbemm = await context.client('nbemm');
  const { up, upbyname, down, downbyname } = options;
  const named = [up, upbyname, down, downbyname].filter((each) => each !== undefined);
  if (named.length > 1) throw usage('one drive at a time');
  const { drives } = await nbemm.GetDevices({ mediaServer: options.h });
  if (named.length === 0) {
    requireSome(drives, 'no drive is configured');
    context.out(driveTable(drives, await mountsOf(drives, context)));
    return 0;
  }
  const index = up ?? down;
  const name =
    upbyname ?? downbyname ?? drives.find(({ drive }) => drive?.index === index)?.drive?.name;
  if (name === undefined) throw new StatusError('notFound', `there is no drive ${index}`);
  const isUp = up !== undefined || upbyname !== undefined;
  const reason = isUp ? '' : `set down by ${context.user}@${context.machine}`;
  if (options.h === undefined) {
    if (options.path !== undefined) throw usage('-path needs -h HOST');
    await nbemm.SetDriveState({ name, up: isUp, reason });
    return 0;
  }
  const paths = drives
    .flatMap((row) => (row.drive?.name === name ? row.paths : []))
    .filter(({ mediaServer, path }) => {
      return mediaServer === options.h && path === (options.path ?? path);
    });
  requireSome(paths, `${options.h} has no such path to drive ${name}`);
  for (const path of paths) {
    await nbemm.SetDrivePathState({ drive: name, path: { ...path, up: isUp, reason } });
  }
  return 0;
}

/**
 * By drive name; of a host that does not answer nothing is known. Of several hosts that reach a drive the one counts
 * that has something in it.
 */
async function mountsOf(
  drives: readonly DriveRow[],
  context: Context,
): Promise<ReadonlyMap<string, MountRow>> {
  const hosts = [
    ...new Set(drives.flatMap(({ paths }) => paths.map(({ mediaServer }) => mediaServer))),
  ];
  const found = await Promise.all(
    hosts.map(async (host) => {
      try {
        return (await (await context.client('ltid', host)).ListMounts({})).mounts;
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
        context.error(`ltid on ${host}: ${error.code} ${error.detail}\n`);
        return [];
      }
    }),
  );
  const rows = found.flat().sort((a, b) => isBusy(a) - isBusy(b));
  return new Map(rows.map((mount) => [mount.drive, mount]));
}

function isBusy({ holder, mediaId }: MountRow): number {
  return holder !== null ? 2 : mediaId === '' ? 0 : 1;
}

function driveTable(drives: readonly DriveRow[], mounts: ReadonlyMap<string, MountRow>): string {
  const titles = ['drive', 'type', 'control', 'media', 'activity', 'job', 'media server'];
  return table(
    [{ title: 'id', right: true }, ...titles.map((title) => ({ title }))],
    drives.map(({ drive, state, reason }) => {
      const mount = mounts.get(drive?.name ?? '');
      return [
        ...[String(drive?.index), drive?.name ?? '', drive?.density ?? ''],
        reason === '' ? state : `${state} (${reason})`,
        ...[mount?.mediaId || '-', mount?.state ?? '-'],
        String(mount?.holder?.attempt?.jobId ?? '-'),
        drive?.mediaServer ?? '',
      ];
    }),
  );
}
