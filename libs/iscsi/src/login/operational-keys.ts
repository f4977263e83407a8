// The operational keys of a session (RFC 7143, chapter 13): what we offer, how two wishes become one result, and what a
// target is answered that offers first.

import { IscsiError, protocolError } from '../iscsi-error.ts';
import { decodeNumber, type TextKey } from '../wire/text-keys.ts';

export type DigestChoice = 'off' | 'allowed' | 'preferred' | 'required';

export interface OperationalWishes {
  readonly isDiscovery: boolean;
  readonly headerDigest: DigestChoice;
  readonly dataDigest: DigestChoice;
  /** Longest data segment that we take. */
  readonly receiveSegmentBytes: number;
  readonly maxBurstBytes: number;
  readonly firstBurstBytes: number;
  readonly initialR2T: boolean;
  readonly immediateData: boolean;
}

/** What both sides agreed on. */
export interface Negotiated {
  readonly headerDigest: boolean;
  readonly dataDigest: boolean;
  readonly receiveSegmentBytes: number;
  /** Longest data segment that the target takes. */
  readonly sendSegmentBytes: number;
  readonly maxBurstBytes: number;
  readonly firstBurstBytes: number;
  readonly initialR2T: boolean;
  readonly immediateData: boolean;
  /** Null when the target did not tell. */
  readonly portalGroup: number | null;
}

type Rule =
  | { readonly kind: 'digest' }
  | { readonly kind: 'and'; readonly fallback: boolean }
  | { readonly kind: 'or'; readonly fallback: boolean }
  | { readonly kind: 'min'; readonly range: Range; readonly fallback: number }
  | { readonly kind: 'max'; readonly range: Range; readonly fallback: number };
type Range = readonly [number, number];

const SIZES = [512, 16_777_215] as const;
const RULES: Readonly<Record<string, Rule>> = {
  HeaderDigest: { kind: 'digest' },
  DataDigest: { kind: 'digest' },
  InitialR2T: { kind: 'or', fallback: true },
  ImmediateData: { kind: 'and', fallback: true },
  MaxBurstLength: { kind: 'min', range: SIZES, fallback: 262_144 },
  FirstBurstLength: { kind: 'min', range: SIZES, fallback: 65_536 },
  MaxConnections: { kind: 'min', range: [1, 65_535], fallback: 1 },
  MaxOutstandingR2T: { kind: 'min', range: [1, 65_535], fallback: 1 },
  DataPDUInOrder: { kind: 'or', fallback: true },
  DataSequenceInOrder: { kind: 'or', fallback: true },
  DefaultTime2Wait: { kind: 'max', range: [0, 3600], fallback: 2 },
  DefaultTime2Retain: { kind: 'min', range: [0, 3600], fallback: 20 },
  ErrorRecoveryLevel: { kind: 'min', range: [0, 2], fallback: 0 },
  IFMarker: { kind: 'and', fallback: false },
  OFMarker: { kind: 'and', fallback: false },
};
const DISCOVERY_KEYS = new Set(['HeaderDigest', 'DataDigest', 'ErrorRecoveryLevel']);
const DIGEST_LISTS: Readonly<Record<DigestChoice, string>> = {
  off: 'None',
  allowed: 'None,CRC32C',
  preferred: 'CRC32C,None',
  required: 'CRC32C',
};
const REFUSALS = new Set(['NotUnderstood', 'Reject', 'Irrelevant']);
/** Before a side declares another, RFC 7143, 13.12. */
const DEFAULT_SEGMENT_BYTES = 8192;

export class OperationalNegotiation {
  readonly #wishes: OperationalWishes;
  readonly #ours: ReadonlyMap<string, string>;
  readonly #settled = new Map<string, string>();
  readonly #declared = new Map<string, string>();

  constructor(wishes: OperationalWishes) {
    this.#wishes = wishes;
    this.#ours = new Map(ourKeys(wishes));
  }

  /** Everything that we want, sent in one request. */
  offers(): TextKey[] {
    const { isDiscovery, receiveSegmentBytes } = this.#wishes;
    const keys = [...this.#ours].filter(([key]) => !isDiscovery || DISCOVERY_KEYS.has(key));
    return [...keys, ['MaxRecvDataSegmentLength', String(receiveSegmentBytes)]];
  }

  /** Takes a key of the target; answers the value to send back when the target asked first. */
  accept(key: string, value: string, isOffered: boolean): string | undefined {
    // Some targets declare their portal group in both stages.
    const isAgain = DECLARED.has(key) && this.#declared.get(key) === value;
    if (this.#settled.has(key) || (this.#declared.has(key) && !isAgain)) {
      throw protocolError(`${key} is negotiated twice`);
    }
    if (DECLARED.has(key)) {
      this.#declared.set(key, value);
      return undefined;
    }
    const rule = RULES[key];
    const ours = this.#ours.get(key);
    if (rule === undefined || ours === undefined) {
      return REFUSALS.has(value) ? undefined : 'NotUnderstood';
    }
    const result = REFUSALS.has(value)
      ? refused(key, rule, ours)
      : combine(key, rule, { ours, theirs: value });
    this.#settled.set(key, result);
    return isOffered ? undefined : result;
  }

  result(): Negotiated {
    const maxBurstBytes = this.#number('MaxBurstLength');
    const tag = this.#declared.get('TargetPortalGroupTag');
    const segment = this.#declared.get('MaxRecvDataSegmentLength');
    return {
      headerDigest: this.#isDigest('HeaderDigest', this.#wishes.headerDigest),
      dataDigest: this.#isDigest('DataDigest', this.#wishes.dataDigest),
      receiveSegmentBytes: this.#wishes.receiveSegmentBytes,
      sendSegmentBytes:
        segment === undefined
          ? DEFAULT_SEGMENT_BYTES
          : decodeNumber('MaxRecvDataSegmentLength', segment, SIZES),
      maxBurstBytes,
      firstBurstBytes: Math.min(maxBurstBytes, this.#number('FirstBurstLength')),
      initialR2T: this.#settledOr('InitialR2T') === 'Yes',
      immediateData: this.#settledOr('ImmediateData') === 'Yes',
      portalGroup:
        tag === undefined ? null : decodeNumber('TargetPortalGroupTag', tag, [0, 65_535]),
    };
  }

  #number(key: string): number {
    return Number(this.#settledOr(key));
  }

  #settledOr(key: string): string {
    const rule = RULES[key];
    return this.#settled.get(key) ?? (rule === undefined ? '' : fallback(rule));
  }

  #isDigest(key: string, choice: DigestChoice): boolean {
    const isOn = this.#settled.get(key) === 'CRC32C';
    if (choice === 'required' && !isOn) {
      throw new IscsiError('login', `the target does not offer the ${key} that is required`);
    }
    return isOn;
  }
}

const DECLARED = new Set([
  'MaxRecvDataSegmentLength',
  'TargetPortalGroupTag',
  'TargetAlias',
  'TargetAddress',
]);

function ourKeys(wishes: OperationalWishes): TextKey[] {
  const word = (value: boolean): string => (value ? 'Yes' : 'No');
  return [
    ['HeaderDigest', DIGEST_LISTS[wishes.headerDigest]],
    ['DataDigest', DIGEST_LISTS[wishes.dataDigest]],
    ['InitialR2T', word(wishes.initialR2T)],
    ['ImmediateData', word(wishes.immediateData)],
    ['MaxBurstLength', String(wishes.maxBurstBytes)],
    ['FirstBurstLength', String(wishes.firstBurstBytes)],
    ['MaxConnections', '1'],
    ['MaxOutstandingR2T', '1'],
    ['DataPDUInOrder', 'Yes'],
    ['DataSequenceInOrder', 'Yes'],
    ['DefaultTime2Wait', '2'],
    ['DefaultTime2Retain', '0'],
    ['ErrorRecoveryLevel', '0'],
  ];
}

function fallback(rule: Rule): string {
  if (rule.kind === 'digest') return 'None';
  if (rule.kind === 'and' || rule.kind === 'or') return rule.fallback ? 'Yes' : 'No';
  return String(rule.fallback);
}

function refused(key: string, rule: Rule, ours: string): string {
  if (rule.kind === 'digest' && !ours.includes('None')) {
    throw new IscsiError('login', `the target refuses the ${key} that is required`);
  }
  return fallback(rule);
}

/** One result of two wishes. A target that answers more than we offered gets the lesser of both all the same. */
function combine(
  key: string,
  rule: Rule,
  { ours, theirs }: { ours: string; theirs: string },
): string {
  if (rule.kind === 'digest') {
    const choices = theirs.split(',');
    const common = ours.split(',').find((choice) => choices.includes(choice));
    if (common === undefined) throw new IscsiError('login', `no ${key} suits both sides`);
    return common;
  }
  if (rule.kind === 'and' || rule.kind === 'or') {
    if (theirs !== 'Yes' && theirs !== 'No') throw protocolError(`${key} is neither Yes nor No`);
    const both = [ours, theirs];
    const isYes = rule.kind === 'and' ? !both.includes('No') : both.includes('Yes');
    return isYes ? 'Yes' : 'No';
  }
  const number = decodeNumber(key, theirs, rule.range);
  const pick = rule.kind === 'min' ? Math.min : Math.max;
  return String(pick(number, Number(ours)));
}
