// vmoprcmd: how the drives are, what is in them, and setting them up or down.

import type { DriveRow, MountRow } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { type Context, command, requireSome } from '../command.ts';
import { usage } from '../option-table.ts';
import { table } from '../render/table.ts';

export const vmoprcmd = command({
  purpose: 'show the state of drives, or set them up or down',
  synopsis: [
    '[-d] [-h HOST]',
    '-up INDEX | -upbyname NAME [-h HOST [-path PATH]]',
    '-down INDEX | -downbyname NAME [-h HOST [-path PATH]]',
  ],
  options: {
    d: { kind: 'flag', help: 'show the drives (what it does when nothing is said)' },
    h: { kind: 'word', value: 'HOST', help: 'this media server only: its drives, its path' },
    path: { kind: 'word', value: 'PATH', help: 'with -h: this path of several' },
    up: { kind: 'number', value: 'INDEX', help: 'set a drive up' },
    upbyname: { kind: 'word', value: 'NAME', help: 'set a drive up' },
    down: { kind: 'number', value: 'INDEX', help: 'set a drive down' },
    downbyname: { kind: 'word', value: 'NAME', help: 'set a drive down' },
  },
  example: 'vmoprcmd -downbyname drive1',
  async run({ options }, context) {
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
  },
});

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
