// robtest: looks into a robot and moves what is in it, by hand. Elements are numbered by type from 1, as NetBackup's robot
// tests spell them: s3 a slot, d1 a drive, p1 an import/export slot.

import type { Client } from '@tapestry/bus';
import type { Element } from '@tapestry/contracts';
import { fromWire, StatusError } from '@tapestry/status';
import { type Context, command } from '../command.ts';
import { usage } from '../option-table.ts';
import { table } from '../render/table.ts';
import { statusLine } from '../run-command.ts';

const TYPES: Readonly<Record<string, string>> = {
  ...{ s: 'slot', d: 'drive', p: 'import_export', t: 'robot' },
};

interface Robot {
  readonly number: number;
  readonly ltid: Client<'ltid'>;
}

export const robtest = command({
  purpose: 'show what is in a robot, and move it by hand',
  synopsis: [
    '-rn N [-c COMMAND ...]  (s s|d|p|t  m FROM TO  unload DRIVE  import  eject BARCODE  init)',
  ],
  options: {
    rn: { kind: 'number', value: 'N', help: 'robot number' },
    c: {
      kind: 'list',
      value: 'COMMAND',
      help: "what to do, in order: 's s' 'm s3 d1'; else what is typed, to q",
    },
  },
  example: "robtest -rn 0 -c 's d' 'm s3 d1'",
  async run({ options }, context) {
    const { rn, c: lines } = options;
    if (rn === undefined) throw usage('-rn N says which robot');
    const nbemm = await context.client('nbemm');
    const { robots } = await nbemm.GetDevices({});
    const spec = robots.find(({ number }) => number === rn);
    if (spec === undefined) throw new StatusError('robotMissing', `there is no robot ${rn}`);
    const robot = { number: rn, ltid: await context.client('ltid', spec.controlHost) };
    if (lines === undefined) return await converse(robot, context);
    for (const line of lines) await runLine(robot, line.trim().split(/\s+/), context);
    return 0;
  },
});

const VERBS = 's [s|d|p|t], m FROM TO, unload DRIVE, import, eject BARCODE, init, q';

/** Lines that are typed or piped in, to `q` or the end; one that fails is told. @returns the first such status */
async function converse(robot: Robot, context: Context): Promise<number> {
  let status = 0;
  context.out(`Robot ${robot.number}: ${VERBS}\n`);
  for await (const line of context.terminal.lines()) {
    const words = line.trim().split(/\s+/);
    if (words[0] === 'q') break;
    if (words[0] === '?' || words[0] === 'help') context.out(`${VERBS}\n`);
    else if (words[0] !== '') {
      try {
        await runLine(robot, words, context);
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
        context.error(`${statusLine(error.code)}\n  ${error.detail}\n`);
        status ||= error.code;
      }
    }
  }
  return status;
}

async function runLine(robot: Robot, words: readonly string[], context: Context): Promise<void> {
  const [verb = '', first = '', second = ''] = words;
  switch (verb) {
    case 's':
      return show(robot, first, context);
    case 'm':
      return move(robot, { from: first, to: second }, context);
    case 'unload':
      return unload(robot, first, context);
    case 'init':
      await robot.ltid.ReadElements({ robotNumber: robot.number });
      return context.out('The robot has looked at its elements.\n');
    case 'import':
    case 'eject':
      return moveMail(robot, verb, first, context);
    default:
      throw usage(`'${words.join(' ')}' is no robot command: s, m, unload, import, eject, init`);
  }
}

async function show(robot: Robot, kind: string, context: Context): Promise<void> {
  const type = TYPES[kind];
  if (kind !== '' && type === undefined) throw usage(`'s ${kind}': s, d, p or t is shown`);
  const elements = await read(robot);
  const rows = elements.filter((element) => type === undefined || element.type === type);
  const titles = ['element', 'address', 'holds', 'barcode', 'from'];
  context.out(
    table(
      titles.map((title) => ({ title })),
      rows.map((element) => [
        ...[nameOf(element), String(element.address), element.full ? 'a volume' : '-'],
        ...[element.barcode || '-', sourceName(elements, element) || '-'],
      ]),
    ),
  );
}

async function move(
  robot: Robot,
  { from, to }: { from: string; to: string },
  context: Context,
): Promise<void> {
  const elements = await read(robot);
  await moveFrom(robot, find(elements, from), find(elements, to));
  context.out(`moved from ${from} to ${to}\n`);
}

/** Home: where it came from when that is free, else into the first free slot. */
async function unload(robot: Robot, name: string, context: Context): Promise<void> {
  const elements = await read(robot);
  const drive = find(elements, name);
  if (drive.type !== 'drive') throw usage(`${name} is no drive`);
  const free = elements.filter(({ type, full }) => type === 'slot' && !full);
  const home = free.find(({ address }) => address === drive.sourceAddress) ?? free[0];
  if (home === undefined) throw new StatusError('notMountable', 'no slot is free');
  await moveFrom(robot, drive, home);
  context.out(`unloaded ${name} into ${nameOf(home)}\n`);
}

async function moveMail(
  { ltid, number: robotNumber }: Robot,
  verb: 'import' | 'eject',
  barcode: string,
  context: Context,
): Promise<void> {
  if (verb === 'eject' && barcode === '') throw usage('eject needs a barcode');
  const { media } =
    verb === 'import'
      ? await ltid.ImportVolumes({ robotNumber })
      : await ltid.EjectVolumes({ robotNumber, barcodes: [barcode] });
  for (const { barcode: each, to, failure } of media) {
    if (failure !== null) throw fromWire(failure);
    context.out(`${each || 'a volume'} is in ${to === null ? 'its place' : nameOf(to)}\n`);
  }
}

async function read({ ltid, number: robotNumber }: Robot): Promise<readonly Element[]> {
  return (await ltid.ReadElements({ robotNumber, asBelieved: true })).elements;
}

async function moveFrom({ ltid, number: robotNumber }: Robot, from: Element, to: Element) {
  await ltid.MoveMedium({ robotNumber, fromAddress: from.address, toAddress: to.address });
}

/** Error: 144 no such element. */
function find(elements: readonly Element[], name: string): Element {
  const found = elements.find((element) => nameOf(element) === name);
  if (found === undefined) throw usage(`the robot has no element '${name}': s3, d1, p1`);
  return found;
}

function nameOf({ type, number }: Element): string {
  const letter = Object.keys(TYPES).find((key) => TYPES[key] === type) ?? '?';
  return `${letter}${number}`;
}

function sourceName(elements: readonly Element[], { full, sourceAddress }: Element): string {
  if (!full || sourceAddress === 0) return '';
  const source = elements.find(({ address }) => address === sourceAddress);
  return source === undefined ? '' : nameOf(source);
}
