// Calls that Node has no function for: times in nanoseconds, device nodes, extended attributes (ACLs
// among them), where the holes of a file are. A small Perl process makes them by number; without Perl,
// times are exact to about a quarter of a microsecond and the rest is left out. Calls are made in their
// order, by single names in directories that this process holds open.

import { type ChildProcess, spawn } from 'node:child_process';
import { constants, lutimesSync } from 'node:fs';
import { arch } from 'node:os';
import type { Extent } from '../core/tar-encode.ts';
import { CALL_NUMBERS, SCRIPT } from './attribute-script.ts';
import { type Directory, nameIn, remotePath } from './directory.ts';

const NS_PER_S = 1_000_000_000n;
const DIRECTORY_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const QUEUED_BYTES_MAX = 64 * 1024;
const EMPTY: Buffer = Buffer.alloc(0);

export interface FailedCall {
  /** What the caller gave with the call. */
  readonly label: string;
  readonly errno: number;
}

export interface Xattr {
  readonly name: Buffer;
  readonly value: Buffer;
}

/** Names are latin1 strings, one character a byte; those without attributes are missing. */
export type XattrsByName = ReadonlyMap<string, readonly Xattr[]>;

/** A name in a directory, which must stay open until the calls for it are settled. */
export interface NamedPlace {
  readonly directory: Directory;
  readonly name: Buffer;
}

export class AttributeHelper {
  readonly #child: ChildProcess | undefined;
  readonly #labels: string[] = [];
  readonly #answers: ((answer: Buffer | undefined) => void)[] = [];
  /** Where the helper looks names up, once it has done what is queued. */
  #directory: Directory | undefined;
  #queued: Buffer[] = [];
  #queuedBytes = 0;
  #received: Buffer = EMPTY;
  #isDead: boolean;

  /** `perl` names the interpreter; tests pass one that does not exist. */
  constructor(perl = 'perl') {
    const numbers = CALL_NUMBERS[arch()];
    this.#isDead = numbers === undefined;
    if (numbers === undefined) return;
    const args = ['-e', SCRIPT, ...numbers.map(String), String(DIRECTORY_FLAGS)];
    this.#child = spawn(perl, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#child.once('error', () => this.#die());
    this.#child.once('exit', () => this.#die());
    this.#child.stdin?.on('error', () => this.#die());
    this.#child.stdout?.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  /** Resolves once it is known whether the helper works: false means coarse times and no devices. */
  async ready(): Promise<boolean> {
    await this.#barrier();
    return !this.#isDead;
  }

  /** Sets the modification time; a symbolic link is not followed. */
  setTime({ directory, name }: NamedPlace, mtimeNs: bigint, label: string): void {
    if (this.#isDead) {
      coarseTime(nameIn(directory, name), mtimeNs);
      return;
    }
    const times = Buffer.alloc(16);
    const fraction = ((mtimeNs % NS_PER_S) + NS_PER_S) % NS_PER_S;
    times.writeBigInt64BE((mtimeNs - fraction) / NS_PER_S, 0);
    times.writeBigInt64BE(fraction, 8);
    this.#enter(directory);
    this.#call(label, 'T', counted(name), times);
  }

  /** Makes a node of `mode` (type and permissions) for device `dev`. False when it cannot be done. */
  makeNode({ directory, name }: NamedPlace, mode: number, dev: bigint, label: string): boolean {
    if (this.#isDead) return false;
    const numbers = Buffer.alloc(12);
    numbers.writeUInt32BE(mode, 0);
    numbers.writeBigUInt64BE(dev, 4);
    this.#enter(directory);
    this.#call(label, 'N', counted(name), numbers);
    return true;
  }

  setXattr({ directory, name }: NamedPlace, xattr: Xattr, label: string): void {
    if (this.#isDead) return;
    this.#enter(directory);
    this.#call(label, 'X', counted(name), counted(xattr.name), counted(xattr.value));
  }

  /** Removes every attribute that can be removed. False when there is no helper. */
  clearXattrs({ directory, name }: NamedPlace): boolean {
    if (this.#isDead) return false;
    this.#enter(directory);
    this.#call('', 'C', counted(name));
    return true;
  }

  /**
   * The attributes of names in a directory, by position in `names`; those without any are missing, all
   * are without a helper. Names are latin1 strings, one character a byte.
   */
  async readXattrs(
    directory: Directory,
    names: readonly string[],
  ): Promise<ReadonlyMap<number, Xattr[]>> {
    if (this.#isDead || names.length === 0) return new Map();
    this.#enter(directory);
    const answer = this.#ask('L', counted(Buffer.from(names.join('\0'), 'latin1')));
    this.#flush();
    return parseAttributes(await answer);
  }

  /**
   * The attributes of everything in each of several directories, for `attributesByName`. Undefined for
   * one that is too long for that, out of reach, or after others had many: an answer is a megabyte or two.
   */
  async readXattrsBelow(
    parent: Directory,
    names: readonly string[],
  ): Promise<readonly (Buffer | undefined)[]> {
    if (this.#isDead || names.length === 0) return [];
    this.#enter(parent);
    const answer = this.#ask('W', counted(Buffer.from(names.join('\0'), 'latin1')));
    this.#flush();
    return parseBelow(await answer);
  }

  /**
   * Where an open file has data, closed by an empty run at its end; the last run reaches to the end when
   * there are more than `runsMax`. Undefined when it cannot be told.
   */
  async dataRuns(fd: number, runsMax: number): Promise<Extent[] | undefined> {
    if (this.#isDead) return undefined;
    const limit = Buffer.alloc(4);
    limit.writeUInt32BE(runsMax);
    const path = Buffer.from(`/proc/${process.pid}/fd/${fd}`);
    const answer = this.#ask('H', counted(path), limit);
    this.#flush();
    return parseRuns(await answer);
  }

  /** Calls queued and not yet known to be made. */
  get pending(): number {
    return this.#labels.length;
  }

  /** Resolves when every queued call was made, with those that failed. */
  async settled(): Promise<FailedCall[]> {
    if (this.#labels.length === 0) return [];
    const labels = this.#labels.splice(0);
    const answer = await this.#barrier();
    if (answer === undefined) return labels.map((label) => ({ label, errno: 0 }));
    return answer
      .toString('latin1')
      .split(',')
      .filter((part) => part !== '')
      .map((part) => {
        const [index, errno] = part.split(':').map(Number);
        return { label: labels[index ?? 0] ?? '', errno: errno ?? 0 };
      });
  }

  close(): void {
    this.#child?.stdin?.end();
  }

  #enter(directory: Directory): void {
    if (this.#directory === directory) return;
    this.#directory = directory;
    this.#queue('D', [counted(Buffer.from(remotePath(directory)))]);
  }

  /** The helper's word once it has done everything queued; undefined when it is gone. */
  async #barrier(): Promise<Buffer | undefined> {
    if (this.#isDead) return undefined;
    const answer = this.#ask('S');
    this.#flush();
    return answer;
  }

  #ask(letter: string, ...parts: Buffer[]): Promise<Buffer | undefined> {
    return new Promise((resolve) => {
      this.#answers.push(resolve);
      this.#queue(letter, parts);
    });
  }

  #call(label: string, letter: string, ...parts: Buffer[]): void {
    this.#labels.push(label);
    this.#queue(letter, parts);
  }

  #queue(letter: string, parts: Buffer[]): void {
    this.#queued.push(Buffer.from(letter), ...parts);
    for (const part of parts) this.#queuedBytes += part.length;
    if (this.#queuedBytes >= QUEUED_BYTES_MAX) this.#flush();
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#queued);
    this.#queued = [];
    this.#queuedBytes = 0;
    if (!this.#isDead) this.#child?.stdin?.write(bytes);
  }

  #read(chunk: Buffer): void {
    let bytes = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    while (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE(0)) {
      const end = 4 + bytes.readUInt32BE(0);
      this.#answers.shift()?.(bytes.subarray(4, end));
      bytes = bytes.subarray(end);
    }
    this.#received = bytes;
  }

  #die(): void {
    this.#isDead = true;
    for (const resolve of this.#answers.splice(0)) resolve(undefined);
  }
}

function parseAttributes(answer: Buffer | undefined): Map<number, Xattr[]> {
  const found = new Map<number, Xattr[]>();
  let rest = answer ?? EMPTY;
  while (rest.length > 0) {
    const end = 8 + rest.readUInt32BE(4);
    found.set(rest.readUInt32BE(0), parseXattrs(rest.subarray(8, end)));
    rest = rest.subarray(end);
  }
  return found;
}

function parseBelow(answer: Buffer | undefined): (Buffer | undefined)[] {
  const directories: (Buffer | undefined)[] = [];
  let rest = answer ?? EMPTY;
  while (rest.length > 0) {
    const isThere = rest.readUInt32BE(0) !== 0;
    const end = isThere ? 8 + rest.readUInt32BE(4) : 4;
    directories.push(isThere ? rest.subarray(8, end) : undefined);
    rest = rest.subarray(end);
  }
  return directories;
}

/** Of what a directory holds, as `readXattrsBelow` found it. */
export function attributesByName(found: Buffer): XattrsByName {
  const pairs = parseXattrs(found);
  return new Map(pairs.map(({ name, value }) => [name.toString('latin1'), parseXattrs(value)]));
}

/** Pairs of counted strings. */
function parseXattrs(all: Buffer): Xattr[] {
  const xattrs: Xattr[] = [];
  let rest = all;
  const next = (): Buffer => {
    const end = 4 + rest.readUInt32BE(0);
    const bytes = rest.subarray(4, end);
    rest = rest.subarray(end);
    return bytes;
  };
  while (rest.length > 0) xattrs.push({ name: next(), value: next() });
  return xattrs;
}

function parseRuns(answer: Buffer | undefined): Extent[] | undefined {
  if (answer === undefined || answer.length === 0) return undefined;
  const runs: Extent[] = [];
  for (let at = 0; at < answer.length; at += 16) {
    const offset = Number(answer.readBigUInt64BE(at));
    runs.push({ offset, length: Number(answer.readBigUInt64BE(at + 8)) });
  }
  return runs;
}

function counted(bytes: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(4 + bytes.length);
  framed.writeUInt32BE(bytes.length, 0);
  bytes.copy(framed, 4);
  return framed;
}

function coarseTime(path: Buffer, mtimeNs: bigint): void {
  try {
    lutimesSync(path, Date.now() / 1000, Number(mtimeNs) / 1e9);
  } catch {
    // The object is there, its time is not: no reason to call the recovery failed.
  }
}
