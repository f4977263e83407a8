// nbemmcmd: the EMM database itself: its machines, media, settings and what was changed in it.

import type { MachineRow } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { type Context, command, requireSome } from '../command.ts';
import { formatDateTime } from '../date-time.ts';
import { type ParsedLine, usage } from '../option-table.ts';
import { machineLong } from '../render/machine.ts';
import { table } from '../render/table.ts';
import { volumeLong } from '../render/volume.ts';
import { allVolumes } from '../volume-pages.ts';

const OPTIONS = {
  listhosts: { kind: 'flag', help: 'list machines' },
  addhost: { kind: 'flag', help: 'add a media server before its first start' },
  deletehost: { kind: 'flag', help: 'delete a machine that has no devices' },
  updatehost: { kind: 'flag', help: 'pause a media server, or take it back' },
  deletealldevices: { kind: 'flag', help: 'delete all devices of a media server' },
  machinename: { kind: 'word', value: 'HOST', help: 'the machine' },
  machinetype: { kind: 'word', value: 'TYPE', help: 'master, media or ndmp' },
  machinedescription: { kind: 'word', value: 'TEXT', help: 'with -addhost: what it is' },
  machinestateop: { kind: 'word', value: 'OP', help: 'set_admin_pause or clr_admin_pause' },
  verbose: { kind: 'flag', help: 'everything about them' },
  listmedia: { kind: 'flag', help: 'show volumes' },
  updatemedia: { kind: 'flag', help: 'set or clear the states of a volume' },
  mediaid: { kind: 'word', value: 'ID', help: 'one volume' },
  frozen: { kind: 'number', value: '0|1', help: 'never written again until it is cleared' },
  suspended: { kind: 'number', value: '0|1', help: 'not written until its images expire' },
  full: { kind: 'number', value: '0|1', help: 'no room is left' },
  listsettings: { kind: 'flag', help: 'settings of the site' },
  changesetting: { kind: 'flag', help: 'change settings' },
  media_error_threshold: { kind: 'number', value: 'N', help: 'errors of a volume forgiven (2)' },
  drive_error_threshold: { kind: 'number', value: 'N', help: 'failing volumes in a drive (2)' },
  time_window: { kind: 'number', value: 'HOURS', help: 'hours that errors count (12)' },
  RETURN_UNASSIGNED_MEDIA_TO_SCRATCH_POOL: {
    kind: 'word',
    value: 'yes|no',
    help: 'volumes from the scratch pool go back to it when their images are gone (yes)',
  },
  getemmserver: { kind: 'flag', help: 'name the machine that holds the database' },
  listchanges: { kind: 'flag', help: 'what was changed lately' },
} as const;

type Line = ParsedLine<typeof OPTIONS>['options'];
type Verb = (options: Line, context: Context) => Promise<void>;

const VERBS: Readonly<Partial<Record<keyof typeof OPTIONS, Verb>>> = {
  ...{ listhosts, addhost, deletehost, updatehost, deletealldevices, listmedia, updatemedia },
  ...{ listsettings, changesetting, getemmserver, listchanges },
};

export const nbemmcmd = command({
  purpose: 'show and change machines, media states and settings of the EMM database',
  synopsis: [
    '-listhosts [-verbose] [-machinetype TYPE] [-machinename HOST]',
    '-addhost -machinename HOST -machinetype media [-machinedescription TEXT]',
    '-deletehost -machinename HOST -machinetype media|ndmp',
    '-updatehost -machinename HOST -machinestateop set_admin_pause|clr_admin_pause',
    '-deletealldevices -machinename HOST -machinetype media',
    '-listmedia [-mediaid ID]',
    '-updatemedia -mediaid ID [-frozen 0|1] [-suspended 0|1] [-full 0|1]',
    '-listsettings | -changesetting [-media_error_threshold N] [-drive_error_threshold N] [-time_window H] [-RETURN_UNASSIGNED_MEDIA_TO_SCRATCH_POOL yes|no]',
    '-getemmserver | -listchanges',
  ],
  options: OPTIONS,
  example: 'nbemmcmd -updatehost -machinename media1 -machinestateop set_admin_pause',
  async run({ options }, context) {
    const chosen = Object.entries(VERBS).filter(([name]) => options[name as keyof Line]);
    const [only] = chosen;
    if (only === undefined || chosen.length > 1) throw usage('say one thing to do');
    await only[1](options, context);
    return 0;
  },
});

async function listhosts(options: Line, context: Context): Promise<void> {
  const nbemm = await context.client('nbemm');
  const { machines } = await nbemm.ListMachines({ name: options.machinename });
  const type = typeOf(options.machinetype);
  const shown = requireSome(
    machines.filter((machine) => type === undefined || machine.type === type),
    'no such machine',
  );
  if (options.verbose) context.out(shown.map((each) => machineLong(each)).join('\n'));
  else context.out(table(TITLES, shown.map(machineCells)));
}

const TITLES = [{ title: 'type' }, { title: 'machine' }, { title: 'state' }];

function machineCells({ type, name, state }: MachineRow): string[] {
  return [type === 'primary' ? 'master' : type, name, state];
}

/** NetBackup's older word for the primary is understood. */
function typeOf(given: string | undefined): string | undefined {
  if (given === undefined) return undefined;
  const type = given.toLowerCase().replace('master', 'primary');
  if (!['primary', 'media', 'ndmp'].includes(type)) {
    throw usage(`-machinetype is master, media or ndmp, not '${given}'`);
  }
  return type;
}

function named(options: Line): string {
  if (options.machinename === undefined) throw usage('-machinename HOST is needed');
  return options.machinename;
}

async function addhost(options: Line, context: Context): Promise<void> {
  const name = named(options);
  const type = typeOf(options.machinetype);
  if (type === undefined) throw usage('-machinetype is needed');
  const description = options.machinedescription;
  await (await context.client('nbemm')).AddMachine({ name, type, description });
}

async function deletehost(options: Line, context: Context): Promise<void> {
  const name = named(options);
  const type = typeOf(options.machinetype);
  const nbemm = await context.client('nbemm');
  if (type === 'ndmp') await nbemm.DeleteNdmpHost({ name });
  else if (type === 'media') await nbemm.DeleteMachine({ name });
  else throw usage('-machinetype media or -machinetype ndmp is needed');
}

async function updatehost(options: Line, context: Context): Promise<void> {
  const name = named(options);
  const op = options.machinestateop;
  if (op !== 'set_admin_pause' && op !== 'clr_admin_pause') {
    throw usage('-machinestateop set_admin_pause or clr_admin_pause is needed');
  }
  const paused = op === 'set_admin_pause';
  await (await context.client('nbemm')).SetMachineState({ name, paused });
}

async function deletealldevices(options: Line, context: Context): Promise<void> {
  const name = named(options);
  if (typeOf(options.machinetype) !== 'media') throw usage('-machinetype media is needed');
  await (await context.client('nbemm')).DeleteMachineDevices({ name });
}

async function listmedia(options: Line, context: Context): Promise<void> {
  const nbemm = await context.client('nbemm');
  const volumes = await allVolumes(nbemm, { mediaId: options.mediaid });
  if (volumes.length === 0) throw new StatusError('notFound', 'no volume matches');
  const { pools } = await nbemm.ListPools({});
  const numbers = new Map(pools.map((pool) => [pool.name, pool.number]));
  context.out(volumes.map((row) => volumeLong(row, numbers)).join('\n'));
}

async function updatemedia(options: Line, context: Context): Promise<void> {
  const { mediaid: mediaId, frozen, suspended, full } = options;
  if (mediaId === undefined) throw usage('-mediaid ID is needed');
  const actions = [
    ...actionOf(frozen, 'freeze', 'unfreeze'),
    ...actionOf(suspended, 'suspend', 'unsuspend'),
    ...actionOf(full, 'full', 'unfull'),
  ];
  if (actions.length !== 1) throw usage('one of -frozen, -suspended and -full, with 0 or 1');
  await (await context.client('nbemm')).SetVolumeStatus({ mediaId, action: actions[0] });
}

function actionOf(value: number | undefined, set: string, clear: string): string[] {
  if (value === undefined) return [];
  if (value > 1) throw usage('a state is 0 or 1');
  return [value === 1 ? set : clear];
}

async function listsettings(_options: Line, context: Context): Promise<void> {
  const { settings } = await (await context.client('nbemm')).ListSettings({});
  for (const { name, value, description } of settings) {
    context.out(`${name}="${value}"  ${description}\n`);
  }
}

async function changesetting(options: Line, context: Context): Promise<void> {
  const names = [
    ...(['media_error_threshold', 'drive_error_threshold', 'time_window'] as const),
    'RETURN_UNASSIGNED_MEDIA_TO_SCRATCH_POOL',
  ] as const;
  const given = names.filter((name) => options[name] !== undefined);
  if (given.length === 0) throw usage('name a setting and its value');
  const nbemm = await context.client('nbemm');
  for (const name of given) {
    await nbemm.ChangeSetting({ name: name.toUpperCase(), value: String(options[name]) });
  }
}

async function getemmserver(_options: Line, context: Context): Promise<void> {
  const { machines } = await (await context.client('nbemm')).ListMachines({});
  context.out(`${machines.find(({ type }) => type === 'primary')?.name}\n`);
}

async function listchanges(_options: Line, context: Context): Promise<void> {
  const nbemm = await context.client('nbemm');
  let after = 0n;
  for (;;) {
    const { changes } = await nbemm.ListChanges({ afterSequence: after, limit: 1_000 });
    const last = changes.at(-1);
    if (last === undefined) return;
    for (const { sequence, atMs, what } of changes) {
      context.out(`${sequence}  ${formatDateTime(atMs / 1000n)}  ${what}\n`);
    }
    after = last.sequence;
  }
}
