// Calls that Node has no function for: times in nanoseconds, device nodes, extended attributes. A small
// Perl process makes them by number; without Perl, times are exact to about a quarter of a microsecond
// and the rest is refused. Calls are queued and made in order; `settled` says when.

import { type ChildProcess, spawn } from 'node:child_process';
import { lutimesSync } from 'node:fs';
import { arch } from 'node:os';

/** System call numbers: utimensat, mknodat, lsetxattr. */
const CALLS: Readonly<Record<string, readonly [number, number, number]>> = {
  x64: [280, 259, 189],
  arm64: [88, 33, 6],
};

// Frames in: one letter, then counted byte strings (N/a*). After "S" the helper answers with one line:
// the frames that failed, as INDEX:ERRNO.
const SCRIPT = `
use strict; binmode STDIN; binmode STDOUT; $| = 1;
my ($utimensat, $mknodat, $lsetxattr) = @ARGV;
my $at = -100; my $index = 0; my @failed;
sub bytes { my ($n) = @_; my $got = ''; while (length($got) < $n) {
  my $r = read(STDIN, $got, $n - length($got), length($got)); exit 0 unless $r; } return $got; }
sub counted { return bytes(unpack('N', bytes(4))); }
for (;;) {
  my $op = bytes(1);
  if ($op eq 'S') { print join(',', @failed), "\\n"; @failed = (); $index = 0; next; }
  my $path = counted() . "\\0"; my $r = -1;
  if ($op eq 'T') {
    my ($s, $ns) = unpack('q>q>', bytes(16));
    my $times = pack('qqqq', 0, 0x3ffffffe, $s, $ns);
    $r = syscall($utimensat, $at, $path, $times, 0x100);
  } elsif ($op eq 'N') {
    my ($mode, $dev) = unpack('NQ>', bytes(12));
    $r = syscall($mknodat, $at, $path, $mode, $dev);
  } elsif ($op eq 'X') {
    my $name = counted() . "\\0"; my $value = counted();
    $r = syscall($lsetxattr, $path, $name, $value, length($value), 0);
  }
  push @failed, $index . ':' . ($! + 0) if $r != 0;
  $index++;
}`;

const NS_PER_S = 1_000_000_000n;
const QUEUED_BYTES_MAX = 64 * 1024;

export interface FailedCall {
  /** What the caller gave with the call. */
  readonly label: string;
  readonly errno: number;
}

export class AttributeHelper {
  readonly #child: ChildProcess | undefined;
  readonly #labels: string[] = [];
  #queued: Buffer[] = [];
  #queuedBytes = 0;
  #answer = '';
  #onAnswer: ((line: string | undefined) => void) | undefined;
  #isDead: boolean;

  /** `perl` names the interpreter; tests pass one that does not exist. */
  constructor(perl = 'perl') {
    const numbers = CALLS[arch()];
    this.#isDead = numbers === undefined;
    if (numbers === undefined) return;
    const args = ['-e', SCRIPT, ...numbers.map(String)];
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

  /** Sets the modification time; the last component is not followed. */
  setTime(path: Buffer, mtimeNs: bigint, label: string): void {
    if (this.#isDead) {
      coarseTime(path, mtimeNs);
      return;
    }
    const times = Buffer.alloc(16);
    const fraction = ((mtimeNs % NS_PER_S) + NS_PER_S) % NS_PER_S;
    times.writeBigInt64BE((mtimeNs - fraction) / NS_PER_S, 0);
    times.writeBigInt64BE(fraction, 8);
    this.#queue(label, Buffer.of(0x54), counted(absolute(path)), times);
  }

  /** Makes a node of `mode` (type and permissions) for device `dev`. False when it cannot be done. */
  makeNode(path: Buffer, mode: number, dev: bigint, label: string): boolean {
    if (this.#isDead) return false;
    const numbers = Buffer.alloc(12);
    numbers.writeUInt32BE(mode, 0);
    numbers.writeBigUInt64BE(dev, 4);
    this.#queue(label, Buffer.of(0x4e), counted(absolute(path)), numbers);
    return true;
  }

  setXattr(path: Buffer, name: Buffer, value: Buffer, label: string): boolean {
    if (this.#isDead) return false;
    this.#queue(label, Buffer.of(0x58), counted(absolute(path)), counted(name), counted(value));
    return true;
  }

  /** Calls queued and not yet known to be made. */
  get pending(): number {
    return this.#labels.length;
  }

  /** Resolves when every queued call was made, with those that failed. */
  async settled(): Promise<FailedCall[]> {
    if (this.#labels.length === 0) return [];
    const labels = this.#labels.splice(0);
    const line = await this.#barrier();
    if (line === undefined) return labels.map((label) => ({ label, errno: 0 }));
    return line
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

  /** The helper's answer line once it has done everything queued; undefined when it is gone. */
  async #barrier(): Promise<string | undefined> {
    if (this.#isDead) return undefined;
    const line = await new Promise<string | undefined>((resolve) => {
      this.#onAnswer = resolve;
      this.#queue(undefined, Buffer.of(0x53));
      this.#flush();
    });
    this.#onAnswer = undefined;
    return line;
  }

  #queue(label: string | undefined, ...parts: Buffer[]): void {
    if (label !== undefined) this.#labels.push(label);
    for (const part of parts) this.#queuedBytes += part.length;
    this.#queued.push(...parts);
    if (this.#queuedBytes >= QUEUED_BYTES_MAX) this.#flush();
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#queued);
    this.#queued = [];
    this.#queuedBytes = 0;
    if (!this.#isDead) this.#child?.stdin?.write(bytes);
  }

  #read(chunk: Buffer): void {
    this.#answer += chunk.toString('latin1');
    const end = this.#answer.indexOf('\n');
    if (end === -1) return;
    const line = this.#answer.slice(0, end);
    this.#answer = this.#answer.slice(end + 1);
    this.#onAnswer?.(line);
  }

  #die(): void {
    this.#isDead = true;
    this.#onAnswer?.(undefined);
  }
}

/** The helper is another process: this one's descriptors have another name there. */
function absolute(path: Buffer): Buffer {
  const self = Buffer.from('/proc/self/');
  if (!path.subarray(0, self.length).equals(self)) return path;
  return Buffer.concat([Buffer.from(`/proc/${process.pid}/`), path.subarray(self.length)]);
}

function counted(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function coarseTime(path: Buffer, mtimeNs: bigint): void {
  try {
    lutimesSync(path, Date.now() / 1000, Number(mtimeNs) / 1e9);
  } catch {
    // The object is there, its time is not: no reason to call the recovery failed.
  }
}
