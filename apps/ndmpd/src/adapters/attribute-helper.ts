// Calls that Node has no function for: times in nanoseconds, device nodes, extended attributes (ACLs
// among them), where the holes of a file are; and small files, so that a second processor makes some. A small
// Perl process makes the calls by number; without Perl, times are exact to about a quarter of a microsecond and
// the rest is left out. Calls are made in their order, by single names in directories that this process holds open.

import { type ChildProcess, spawn } from 'node:child_process';
import { constants, lutimesSync } from 'node:fs';
import { arch } from 'node:os';
import type { Ownership } from '../core/ownership.ts';
import type { Extent } from '../core/tar-encode.ts';
import { CALL_NUMBERS, SCRIPT } from './attribute-script.ts';
import { type Directory, nameIn, OPEN_FILE, remotePath } from './directory.ts';
import { FileFrame, type FileTime, type NewFile } from './file-frame.ts';

const NS_PER_S = 1_000_000_000n;
/** Of a file that is not there yet. */
export const CREATE: number =
  constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const QUEUED_BYTES_MAX = 64 * 1024;
const ENDED = 'the attribute helper ended before its work was done';
const EMPTY: Buffer = Buffer.alloc(0);
const HERE = Buffer.from('.');
const NOBODY = 0xffff_ffff;

export interface FailedCall {
  /** What the caller gave with the call. */
  readonly label: string;
  readonly errno: number;
  /** Of a file that was handed over. */
  readonly onLost?: () => void;
}

export interface Xattr {
  readonly name: Buffer;
  readonly value: Buffer;
}

/** A name in a directory, which must stay open until the calls for it are settled. */
export interface NamedPlace {
  readonly directory: Directory;
  readonly name: Buffer;
}

/** What a failed call is told by; asked for only then. */
export interface Labelled {
  readonly label: string;
}

/** A file that is handed over to be made. */
export interface HandedPlace extends NamedPlace, Labelled {
  /** It was not made, or not whole; 0 when the helper is gone. */
  onLost(errno: number): void;
}

class HandedCall implements Labelled {
  readonly #place: HandedPlace;

  constructor(place: HandedPlace) {
    this.#place = place;
  }

  get label(): string {
    return this.#place.label;
  }

  onLost(errno: number): void {
    this.#place.onLost(errno);
  }
}

export class AttributeHelper {
  readonly #child: ChildProcess | undefined;
  #labels: Labelled[] = [];
  readonly #answers: ((answer: Buffer | undefined) => void)[] = [];
  /** Where the helper looks names up, once it has done what is queued. */
  #directory: Directory | undefined;
  /** Of one directory, to go before anything else does. */
  readonly #files = new FileFrame();
  #queued: Buffer[] = [];
  #queuedBytes = 0;
  #received: Buffer = EMPTY;
  #isDead: boolean;
  /** It was there once, and what it does not say would be missed. */
  #isRelied = false;

  /** `perl` names the interpreter; tests pass one that does not exist. */
  constructor(perl = 'perl') {
    const numbers = CALL_NUMBERS[arch()];
    this.#isDead = numbers === undefined;
    if (numbers === undefined) return;
    const flags = [CREATE, OPEN_FILE, OPEN_FILE | constants.O_NOATIME];
    const args = ['-e', SCRIPT, ...[...numbers, ...flags].map(String)];
    this.#child = spawn(perl, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#child.once('error', () => this.#die());
    this.#child.once('exit', () => this.#die());
    this.#child.stdin?.on('error', () => this.#die());
    this.#child.stdout?.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves once it is known whether the helper works: false means coarse times and no devices. */
  async ready(): Promise<boolean> {
    await this.#barrier();
    this.#isRelied = !this.#isDead;
    return this.#isRelied;
  }

  /** Sets the time of modification, and that of access where it is given; a symbolic link is not followed. */
  setTime(place: NamedPlace & Labelled, time: FileTime): void {
    const { directory, name } = place;
    if (this.#isDead) {
      coarseTime(nameIn(directory, name), time);
      return;
    }
    this.#enter(directory);
    this.#files.addTime(name, time);
    this.#framed(place);
  }

  /**
   * Makes a file with its data, in place of anything but a directory. False when there is no helper; what goes wrong is
   * told with the failed calls.
   */
  makeFile(place: HandedPlace, file: NewFile): boolean {
    if (this.#isDead) return false;
    this.#enter(place.directory);
    this.#files.addFile(place.name, file);
    this.#framed(new HandedCall(place));
    return true;
  }

  /** Gives a directory its owner, where there is one to give, and then its mode. False when there is no helper. */
  setOwnerAndMode(
    { directory, label }: { readonly directory: Directory } & Labelled,
    { owner, mode }: Ownership,
  ): boolean {
    if (this.#isDead) return false;
    const numbers = Buffer.alloc(12);
    numbers.writeUInt32BE(owner?.uid ?? NOBODY, 0);
    numbers.writeUInt32BE(owner?.gid ?? NOBODY, 4);
    numbers.writeUInt32BE(mode, 8);
    this.#enter(directory);
    this.#call({ label }, 'O', counted(HERE), numbers);
    return true;
  }

  /** Makes a node of `mode` (type and permissions) for device `dev`. False when it cannot be done. */
  makeNode({ directory, name }: NamedPlace, mode: number, dev: bigint, label: string): boolean {
    if (this.#isDead) return false;
    const numbers = Buffer.alloc(12);
    numbers.writeUInt32BE(mode, 0);
    numbers.writeBigUInt64BE(dev, 4);
    this.#enter(directory);
    this.#call({ label }, 'N', counted(name), numbers);
    return true;
  }

  setXattr({ directory, name }: NamedPlace, xattr: Xattr, label: string): void {
    if (this.#isDead) return;
    this.#enter(directory);
    this.#call({ label }, 'X', counted(name), counted(xattr.name), counted(xattr.value));
  }

  /** Removes every attribute that can be removed. False when there is no helper. */
  clearXattrs({ directory, name }: NamedPlace): boolean {
    if (this.#isDead) return false;
    this.#enter(directory);
    this.#call({ label: '' }, 'C', counted(name));
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
    if (names.length === 0 || (this.#isDead && !this.#isRelied)) return new Map();
    this.#enter(directory);
    const asked = this.#ask('L', counted(Buffer.from(names.join('\0'), 'latin1')));
    this.#flush();
    const answer = await asked;
    if (answer === undefined && this.#isRelied) throw new Error(ENDED);
    return parseAttributes(answer);
  }

  /** The path of the file in memory that `seal` fills; undefined when the helper has none. */
  async openMemory(): Promise<string | undefined> {
    if (this.#isDead) return undefined;
    const answer = this.#ask('M');
    this.#flush();
    const number = (await answer)?.toString('latin1') ?? '';
    return number === '' ? undefined : `/proc/${this.pid}/fd/${number}`;
  }

  /** Adds records to the group at hand: of names of a directory that stays open, each behind its letter. */
  askAhead(directory: Directory, names: string): void {
    this.#enter(directory);
    this.#queue('F', [counted(Buffer.from(names, 'latin1'))]);
  }

  /** Closes the group at hand, and resolves with what core/ahead-record.ts says of it. */
  async seal(): Promise<Buffer> {
    const asked = this.#ask('G');
    this.#flush();
    const answer = await asked;
    if (answer === undefined) throw new Error(ENDED);
    return answer;
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

  /** Calls made since `settled` was called last. */
  get pending(): number {
    return this.#labels.length;
  }

  /** Resolves when every call up to now was made, with those that failed since this was called last. */
  async settled(): Promise<FailedCall[]> {
    const labels = this.#labels;
    this.#labels = [];
    const answer = await this.#barrier();
    if (answer === undefined) return labels.map((label) => failedCall(label, 0));
    return answer
      .toString('latin1')
      .split(',')
      .filter((part) => part !== '')
      .map((part) => {
        const [index, errno] = part.split(':').map(Number);
        return failedCall(labels[index ?? 0], errno ?? 0);
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
    if (this.#isDead) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#answers.push(resolve);
      this.#queue(letter, parts);
    });
  }

  #call(label: Labelled, letter: string, ...parts: Buffer[]): void {
    this.#labels.push(label);
    this.#queue(letter, parts);
  }

  #framed(place: Labelled): void {
    this.#labels.push(place);
    if (this.#files.isFull) this.#sendFiles();
  }

  #sendFiles(): void {
    if (!this.#files.isEmpty) this.#queue('U', [counted(this.#files.take())]);
  }

  #queue(letter: string, parts: Buffer[]): void {
    this.#sendFiles();
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

/** The times of a member, as the helper takes them. */
export function fileTimeOf({ mtimeNs, atimeNs }: { mtimeNs: bigint; atimeNs?: bigint }): FileTime {
  return { ...timeOf(mtimeNs), accessed: atimeNs === undefined ? undefined : timeOf(atimeNs) };
}

function timeOf(ns: bigint): { seconds: number; nanoseconds: number } {
  const fraction = ((ns % NS_PER_S) + NS_PER_S) % NS_PER_S;
  return { seconds: Number((ns - fraction) / NS_PER_S), nanoseconds: Number(fraction) };
}

/** `errno` 0: the helper is gone. */
function failedCall(call: Labelled | undefined, errno: number): FailedCall {
  if (call instanceof HandedCall) return { label: '', errno, onLost: () => call.onLost(errno) };
  return { label: call?.label ?? '', errno };
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

/** Pairs of counted strings; views on them. */
export function parseXattrs(all: Buffer): Xattr[] {
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

function coarseTime(path: Buffer, time: FileTime): void {
  const { accessed = { seconds: Date.now() / 1000, nanoseconds: 0 } } = time;
  const inSeconds = (one: typeof accessed): number => one.seconds + one.nanoseconds / 1e9;
  try {
    lutimesSync(path, inSeconds(accessed), inSeconds(time));
  } catch {
    // The object is there, its time is not: no reason to call the recovery failed.
  }
}
