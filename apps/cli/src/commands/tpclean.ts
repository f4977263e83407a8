// tpclean: when drives were cleaned, cleaning one now, and after how many hours of use it happens by itself.

import type { CleaningRow } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { type Context, command, requireSome } from '../command.ts';
import { formatDateTime, secondsOf } from '../date-time.ts';
import { usage } from '../option-table.ts';
import { table } from '../render/table.ts';

const HOUR_MS = 3_600_000n;

export const tpclean = command({
  purpose: 'clean tape drives, and say how often',
  synopsis: ['-L', '-C DRIVE', '-M DRIVE', '-F DRIVE HOURS'],
  options: {
    L: { kind: 'flag', help: 'list the drives: hours of use, frequency, last cleaning' },
    C: { kind: 'word', value: 'DRIVE', help: 'clean a drive that is idle' },
    M: { kind: 'word', value: 'DRIVE', help: 'the drive was cleaned by hand: begin to count anew' },
    F: {
      ...{ kind: 'words', count: 2, value: 'DRIVE HOURS' },
      help: 'clean it after so many hours of use (0: never)',
    },
  },
  example: 'tpclean -F drive0 100',
  async run({ options }, context) {
    const { L: isList, C: clean, M: reset, F: frequency } = options;
    const asked = [isList || undefined, clean, reset, frequency].filter(
      (each) => each !== undefined,
    );
    if (asked.length !== 1) throw usage('one of -L, -C, -M and -F is needed');
    if (isList) return list(context);
    if (clean !== undefined) {
      await (await ltidOf(context, clean)).CleanDrive({ drive: clean });
      return 0;
    }
    if (reset !== undefined) {
      await (await ltidOf(context, reset)).SetCleaning({ drive: reset, reset: true });
      return 0;
    }
    const [drive = '', hours = ''] = frequency ?? [];
    if (!/^\d{1,5}$/.test(hours)) throw usage(`'${hours}' is no number of hours`);
    const change = { drive, setFrequency: true, frequencyHours: Number(hours) };
    await (await ltidOf(context, drive)).SetCleaning(change);
    return 0;
  },
});

async function list(context: Context): Promise<number> {
  const { mediaServers } = await (await context.client('nbemm')).GetDevices({});
  const found = await Promise.all(
    mediaServers.map(async ({ name }) => {
      try {
        const { drives } = await (await context.client('ltid', name)).ListCleaning({});
        return drives.map((drive) => ({ name, drive }));
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
        context.error(`ltid on ${name}: ${error.code} ${error.detail}\n`);
        return [];
      }
    }),
  );
  const rows = requireSome(found.flat(), 'no drive is configured');
  const titles = ['drive', 'media server', 'last cleaned', 'wanted'];
  context.out(
    table(
      [
        ...titles.slice(0, 2).map((title) => ({ title })),
        ...['hours', 'frequency'].map((title) => ({ title, right: true })),
        ...titles.slice(2).map((title) => ({ title })),
      ],
      rows.map(({ name, drive }) => [drive.drive, name, ...cells(drive)]),
    ),
  );
  return 0;
}

function cells({ usedMs, frequencyHours, lastCleanedMs, wanted }: CleaningRow): string[] {
  return [
    ...[String(usedMs / HOUR_MS), frequencyHours === 0 ? '-' : String(frequencyHours)],
    lastCleanedMs === 0n ? '-' : formatDateTime(secondsOf(lastCleanedMs)),
    wanted || '-',
  ];
}

/** The media server that the drive belongs to. Error: 227. */
async function ltidOf(context: Context, name: string) {
  const { drives } = await (await context.client('nbemm')).GetDevices({});
  const host = drives.find(({ drive }) => drive?.name === name)?.drive?.mediaServer;
  if (host === undefined) throw new StatusError('notFound', `there is no drive ${name}`);
  return context.client('ltid', host);
}
