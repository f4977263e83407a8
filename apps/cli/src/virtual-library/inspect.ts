// vtl check and dump: read cartridges whole, in a library or exported, and say what is on them and what is wrong. Nothing is
// changed. A cartridge in use is dumped as it is at that moment, and not checked: what is being written looks damaged.

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { StatusError } from '@tapestry/status';
import {
  type CartridgeWalk,
  type Observation,
  openVirtualLibrary,
  TapeSurvey,
  type WalkedObject,
  walkCartridge,
} from '@tapestry/storage';
import type { Context } from '../command.ts';
import type { VtlVerb } from '../commands/vtl.ts';
import { usage } from '../option-table.ts';
import { showProgress } from './progress.ts';
import { sizeText } from './sizes.ts';

/** So many problems of one cartridge are told; the rest is counted. */
const PROBLEMS_MAX = 20;
const DAMAGED = 85;
const PARTIAL = 1;

interface Named {
  readonly name: string;
  readonly dir: string;
  /** Somebody has it in a drive, and may be writing. */
  readonly inUse: boolean;
}

/** Status 0; 85 when anything that was on a cartridge cannot be read; 1 when some were in use, and so not checked. */
export const check: VtlVerb = async (context, dir, words) => {
  let damaged = 0;
  let left = 0;
  for (const cartridge of await find(context, dir, words)) {
    if (cartridge.inUse) {
      context.out(`${cartridge.name}: in use, not checked\n`);
      left += 1;
    } else if (!checkOne(context, cartridge)) damaged += 1;
  }
  if (damaged > 0)
    context.error(`${damaged} of the cartridges ${damaged === 1 ? 'is' : 'are'} damaged\n`);
  if (damaged > 0) return DAMAGED;
  return left > 0 ? PARTIAL : 0;
};

function checkOne(context: Context, { name, dir }: Named): boolean {
  const tell = (text: string): void => context.out(`${name}: ${text}\n`);
  const walk = open(dir);
  if (typeof walk === 'string') {
    tell(walk);
    return false;
  }
  const progress = showProgress(context, name);
  const problems: string[] = [];
  const notes: string[] = [];
  if (walk.suspect !== null) problems.push(walk.suspect);
  for (const { at, seen } of survey(walk, progress.show)) {
    if (seen.level === 'problem') problems.push(`${at}: ${seen.text}`);
    if (seen.level === 'note') notes.push(`${at}: ${seen.text}`);
  }
  progress.done();
  for (const text of problems.slice(0, PROBLEMS_MAX)) tell(text);
  if (problems.length > PROBLEMS_MAX) tell(`and ${problems.length - PROBLEMS_MAX} more`);
  for (const text of notes) tell(text);
  tell(problems.length === 0 ? `good, ${contents(walk)}` : `DAMAGED, ${contents(walk)}`);
  return problems.length === 0;
}

export const dump: VtlVerb = async (context, dir, words, { blocks }) => {
  const cartridges = await find(context, dir, words);
  const [cartridge, ...more] = cartridges;
  if (cartridge === undefined || more.length > 0)
    throw usage('dump shows one cartridge: say which');
  const walk = open(cartridge.dir);
  if (typeof walk === 'string') throw new StatusError('mediaOpenError', walk);
  context.out(`${cartridge.name}: ${contents(walk)}\n`);
  if (walk.suspect !== null) context.out(`  DAMAGED: ${walk.suspect}\n`);
  let run: { first: Seen; last: Seen; count: number } | undefined;
  const flush = (): void => {
    if (run !== undefined) context.out(lineOf(run));
    run = undefined;
  };
  for (const each of survey(walk, () => {})) {
    const joins = !blocks && each.seen.kind !== null && each.seen.kind === run?.last.seen.kind;
    if (run !== undefined && joins) run = { ...run, last: each, count: run.count + 1 };
    else {
      flush();
      run = { first: each, last: each, count: 1 };
    }
  }
  flush();
  return 0;
};

interface Seen {
  readonly object: number;
  readonly file: number;
  /** Where it is, in words. */
  readonly at: string;
  readonly seen: Observation;
}

function* survey(
  walk: CartridgeWalk,
  show: (done: number, total: number) => void,
): Generator<Seen> {
  const tape = new TapeSurvey();
  let last: WalkedObject | undefined;
  for (const object of walk.objects) {
    last = object;
    yield seenAt(object, tape.accept(object));
    show(object.doneBytes, object.totalBytes);
  }
  const end = tape.finish();
  if (end !== null && last !== undefined) yield seenAt(last, end);
}

function seenAt({ object, file }: WalkedObject, seen: Observation): Seen {
  return { object, file, at: `file ${file} object ${object}`, seen };
}

function lineOf({ first, last, count }: { first: Seen; last: Seen; count: number }): string {
  const objects = count === 1 ? `${first.object}` : `${first.object}-${last.object}`;
  const marks = { ok: '', note: ' (!)', problem: ' DAMAGED' }[first.seen.level];
  const more = count === 1 ? '' : `, and ${count - 1} more like it`;
  const place = `file ${first.file}`.padEnd(9);
  return `  ${place} ${objects.padEnd(12)} ${first.seen.text}${more}${marks}\n`;
}

function contents({ info, objectCount, fileCount, usedBytes }: CartridgeWalk): string {
  const flags = [
    info.worm ? 'write once' : '',
    info.writeProtected ? 'write-protected' : '',
  ].filter((flag) => flag !== '');
  if (info.kind === 'cleaning') return 'a cleaning cartridge';
  const used = `${sizeText(usedBytes)} of ${sizeText(info.capacityBytes)}`;
  const files = `${fileCount} filemarks, ${objectCount - fileCount} blocks`;
  return [`${files}, ${used}`, ...flags].join(', ');
}

/** The cartridge's content, or what keeps it from being looked at. */
function open(dir: string): CartridgeWalk | string {
  try {
    return walkCartridge(dir);
  } catch (error) {
    if (error instanceof StatusError) return error.detail;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return message;
  }
}

/** A folder with a description is a cartridge, and so are the others; else the first is a library. Errors: 227, 2059. */
async function find(context: Context, dir: string, words: readonly string[]): Promise<Named[]> {
  if (existsSync(join(dir, 'cartridge.json'))) {
    const folders = [dir, ...words.map((word) => resolve(context.cwd, word))];
    return folders.map((folder) => ({ name: folder, dir: folder, inUse: false }));
  }
  const library = await openVirtualLibrary(dir);
  try {
    const elements = (await library.inventory()).filter(({ barcode }) => barcode !== null);
    const held = new Map(elements.map((element) => [element.barcode as string, element]));
    const barcodes = words.length > 0 ? words : [...held.keys()];
    return barcodes.map((name) => {
      const inUse = held.get(name)?.accessible === false;
      return { name, dir: library.cartridgeDir(name), inUse };
    });
  } finally {
    await library.close();
  }
}
