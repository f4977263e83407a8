// Runs fuzz cases by number: the same seed gives the same cases everywhere, and a case that fails is
// run again alone by its number.

import { SeededEntropy } from '../src/entropy-reader.test-data.ts';
import { fuzzBody, fuzzClient, fuzzFraming } from './fuzz-bytes.ts';
import { fuzzSession } from './fuzz-sessions.ts';

const KINDS = [
  ['body', fuzzBody, 12],
  ['framing', fuzzFraming, 2],
  ['client', fuzzClient, 2],
  ['session', fuzzSession, 4],
] as const;
const TURNS = KINDS.flatMap(([kind, run, weight]) =>
  Array.from({ length: weight }, () => ({ kind, run })),
);

export interface FuzzFailure {
  readonly index: number;
  readonly kind: string;
  readonly stack: string;
}

export interface FuzzReport {
  readonly seed: number;
  readonly cases: number;
  readonly kinds: Readonly<Record<string, number>>;
  readonly failures: readonly FuzzFailure[];
  /** Bytes of heap and buffers at the end above those once everything was warm. */
  readonly growthBytes: number;
}

const FAILURES_MAX = 10;
/** After so many cases everything is loaded and warm; a shorter run takes a tenth of its own. */
const WARM_CASES = 100_000;

/** One case; undefined when it holds. */
export function fuzzCase(seed: number, index: number): FuzzFailure | undefined {
  const turn = TURNS[index % TURNS.length] ?? KINDS_NONE;
  const entropy = new SeededEntropy(
    Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) + index * 0x9e37_79b1,
  );
  try {
    turn.run(entropy);
    return undefined;
  } catch (error) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { index, kind: turn.kind, stack };
  }
}

const KINDS_NONE = { kind: 'body', run: fuzzBody };

export interface FuzzOptions {
  readonly seed: number;
  readonly cases: number;
  /** Asked now and then; false ends the run early. */
  readonly goOn?: (done: number) => boolean;
  readonly memoryBytes: () => number;
}

export function fuzz({ seed, cases, goOn, memoryBytes }: FuzzOptions): FuzzReport {
  const failures: FuzzFailure[] = [];
  const kinds: Record<string, number> = {};
  let baseBytes = 0;
  let index = 0;
  const warmAt = Math.min(Math.floor(cases / 10), WARM_CASES);
  for (; index < cases && failures.length < FAILURES_MAX; index += 1) {
    if (index === warmAt) baseBytes = memoryBytes();
    const failure = fuzzCase(seed, index);
    if (failure !== undefined) failures.push(failure);
    const { kind } = TURNS[index % TURNS.length] ?? KINDS_NONE;
    kinds[kind] = (kinds[kind] ?? 0) + 1;
    if (index % 1024 === 0 && goOn !== undefined && !goOn(index)) break;
  }
  const growthBytes = baseBytes === 0 ? 0 : memoryBytes() - baseBytes;
  return { seed, cases: index, kinds, failures, growthBytes };
}
