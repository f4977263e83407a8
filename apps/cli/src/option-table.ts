// The words of a NetBackup command line: single-dash options in any order, some with values. One table per command
// says which there are; parsing promises a value of the right type for each, or one sentence about what is wrong.

import { StatusError } from '@tapestry/status';
import { parseDateTime } from './date-time.ts';

export type OptionSpec =
  /** Stands alone. */
  | { readonly kind: 'flag'; readonly help: string }
  /** One value. */
  | { readonly kind: 'word'; readonly value: string; readonly help: string }
  /** A whole number. */
  | { readonly kind: 'number'; readonly value: string; readonly help: string }
  /** Exactly so many values. */
  | {
      readonly kind: 'words';
      readonly count: number;
      readonly value: string;
      readonly help: string;
    }
  /** All values up to the next option, at least one. */
  | {
      readonly kind: 'list';
      readonly value: string;
      readonly help: string;
      /** The values may come from another option instead. */
      readonly mayBeEmpty?: true;
    }
  /** A value that may be left out: taken only when it looks like one. */
  | {
      readonly kind: 'maybe';
      readonly pattern: RegExp;
      readonly value: string;
      readonly help: string;
    }
  /** `mm/dd/yyyy [hh:mm[:ss]]`, as one word or two; answers epoch seconds. */
  | {
      readonly kind: 'date';
      readonly help: string;
      /** `0` may stand for never. */
      readonly orNever?: true;
      /** `infinity` may stand for the last time there is. */
      readonly orInfinity?: true;
    };

/** Options by which NetBackup's scripts name the one server that there is: taken, and of no effect. */
export const EMM_SERVER = {
  kind: 'word',
  value: 'HOST',
  help: 'EMM server: there is one',
} as const;
export const PRIMARY_SERVER = {
  kind: 'word',
  value: 'HOST',
  help: 'primary server: there is one',
} as const;

export type OptionTable = Readonly<Record<string, OptionSpec>>;

/** What parsing makes of an option: `true` stands for a `maybe` without its value. */
export type OptionValue<S extends OptionSpec> = S['kind'] extends 'flag'
  ? boolean
  : S['kind'] extends 'word'
    ? string | undefined
    : S['kind'] extends 'number' | 'date'
      ? number | undefined
      : S['kind'] extends 'maybe'
        ? string | true | undefined
        : readonly string[] | undefined;

export interface ParsedLine<T extends OptionTable> {
  readonly options: { readonly [K in keyof T]: OptionValue<T[K]> };
  /** Words that belong to no option, in order. */
  readonly operands: readonly string[];
}

/** What NetBackup prints for never. */
const INFINITY_S = 2_147_483_647;

const TIME_OF_DAY = /^\d{1,2}:\d{2}(:\d{2})?$/;

/** `-help` is an option of every command. Errors: 144 with what is wrong. */
export function parseLine<T extends OptionTable>(
  table: T,
  words: readonly string[],
): ParsedLine<T> {
  const options: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(table)) {
    options[name] = spec.kind === 'flag' ? false : undefined;
  }
  const operands: string[] = [];
  let at = 0;
  while (at < words.length) {
    const word = words[at++]!;
    if (word === '--') {
      operands.push(...words.slice(at));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      operands.push(word);
      continue;
    }
    const name = word.slice(1);
    const spec = Object.hasOwn(table, name) ? table[name] : undefined;
    if (spec === undefined) throw usage(`unknown option ${word}`);
    if (spec.kind !== 'flag' && options[name] !== undefined) throw usage(`${word} is given twice`);
    const taken = takeValues(table, name, spec, words.slice(at));
    options[name] = taken.value;
    at += taken.words;
  }
  return { options: options as ParsedLine<T>['options'], operands };
}

interface Taken {
  readonly value: unknown;
  readonly words: number;
}

function takeValues(
  table: OptionTable,
  name: string,
  spec: OptionSpec,
  rest: readonly string[],
): Taken {
  switch (spec.kind) {
    case 'flag':
      return { value: true, words: 0 };
    case 'word':
      return { value: oneValue(table, name, spec.value, rest), words: 1 };
    case 'number':
      return { value: wholeNumber(name, oneValue(table, name, spec.value, rest)), words: 1 };
    case 'words': {
      const values = rest.slice(0, spec.count);
      if (values.length < spec.count || values.some((value) => isOption(table, value))) {
        throw usage(`-${name} needs ${spec.value}`);
      }
      return { value: values, words: spec.count };
    }
    case 'list': {
      const end = rest.findIndex((word) => word.startsWith('-'));
      const values = end === -1 ? rest : rest.slice(0, end);
      if (values.length === 0 && !spec.mayBeEmpty) throw usage(`-${name} needs ${spec.value}`);
      return { value: values, words: values.length };
    }
    case 'maybe': {
      const [value] = rest;
      const given = value !== undefined && spec.pattern.test(value);
      return given ? { value, words: 1 } : { value: true, words: 0 };
    }
    case 'date': {
      const date = oneValue(table, name, 'mm/dd/yyyy [hh:mm:ss]', rest);
      if (spec.orNever && date === '0') return { value: 0, words: 1 };
      if (spec.orInfinity && date === 'infinity') return { value: INFINITY_S, words: 1 };
      const time = TIME_OF_DAY.test(rest[1] ?? '') && !/[\s:]/.test(date) ? ` ${rest[1]}` : '';
      const seconds = parseDateTime(`${date}${time}`);
      if (seconds === undefined) throw usage(`-${name} needs mm/dd/yyyy hh:mm:ss, not '${date}'`);
      return { value: seconds, words: time === '' ? 1 : 2 };
    }
  }
}

function oneValue(
  table: OptionTable,
  name: string,
  value: string,
  rest: readonly string[],
): string {
  const [word] = rest;
  if (word === undefined || isOption(table, word)) throw usage(`-${name} needs ${value}`);
  return word;
}

function isOption(table: OptionTable, word: string): boolean {
  return word.startsWith('-') && (Object.hasOwn(table, word.slice(1)) || word === '-help');
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (!/^\d{1,15}$/.test(text)) throw usage(`-${name} needs a number, not '${text}'`);
  return number;
}

export function usage(detail: string): StatusError {
  return new StatusError('badUsage', detail);
}
