// Calls that Node has no function for: times in nanoseconds, device nodes, extended attributes (ACLs
// among them). A small Perl process makes them by number; without Perl, times are exact to about a
// quarter of a microsecond and the rest is left out. Calls are made in their order.

import { type ChildProcess, spawn } from 'node:child_process';
import { lutimesSync } from 'node:fs';
import { arch } from 'node:os';

/** System call numbers: utimensat, mknodat, lsetxattr, lgetxattr, llistxattr. */
const CALLS: Readonly<Record<string, readonly number[]>> = {
  x64: [280, 259, 189, 192, 195],
  arm64: [88, 33, 6, 9, 12],
};

// Frames in: one letter, then counted byte strings (N/a*). Answers are counted strings: to "L" the
// attributes of a path, to "S" (which also flushes) the calls that failed since, as INDEX:ERRNO.
const SCRIPT = `
use strict; use IO::Handle; binmode STDIN; binmode STDOUT;
my ($utimensat, $mknodat, $lsetxattr, $lgetxattr, $llistxattr) = map { $_ + 0 } @ARGV;
my $room = 65536; my $list = "\\0" x $room; my $value = "\\0" x $room;
my $cwd = -100; my $index = 0; my @failed;
sub bytes { my ($n) = @_; my $got = ''; while (length($got) < $n) {
  my $r = read(STDIN, $got, $n - length($got), length($got)); exit 0 unless $r; } return $got; }
sub counted { return bytes(unpack('N', bytes(4))); }
sub attributes { my ($path) = @_; my $all = '';
  my $n = syscall($llistxattr, $path, $list, $room); return '' if $n <= 0;
  for my $name (split /\\0/, substr($list, 0, $n)) {
    next if $name eq 'security.selinux';
    my $key = $name . "\\0"; my $v = syscall($lgetxattr, $path, $key, $value, $room);
    $all .= pack('N/a* N/a*', $name, substr($value, 0, $v)) if $v >= 0;
  } return $all; }
for (;;) {
  my $op = bytes(1);
  if ($op eq 'S') {
    print pack('N/a*', join(',', @failed)); STDOUT->flush(); @failed = (); $index = 0; next;
  }
  my $path = counted() . "\\0"; my $r = -1;
  if ($op eq 'L') { print pack('N/a*', attributes($path)); next; }
  if ($op eq 'T') {
    my ($s, $ns) = unpack('q>q>', bytes(16));
    my $times = pack('qqqq', 0, 0x3ffffffe, $s, $ns);
    $r = syscall($utimensat, $cwd, $path, $times, 0x100);
  } elsif ($op eq 'N') {
    my ($mode, $dev) = unpack('NQ>', bytes(12));
    $r = syscall($mknodat, $cwd, $path, $mode, $dev);
  } elsif ($op eq 'X') {
    my $name = counted() . "\\0"; my $bytes = counted();
    $r = syscall($lsetxattr, $path, $name, $bytes, length($bytes), 0);
  }
  push @failed, $index . ':' . ($! + 0) if $r != 0;
  $index++;
}`;

const NS_PER_S = 1_000_000_000n;
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

export class AttributeHelper {
  readonly #child: ChildProcess | undefined;
  readonly #labels: string[] = [];
  readonly #answers: ((answer: Buffer | undefined) => void)[] = [];
  #queued: Buffer[] = [];
  #queuedBytes = 0;
  #received: Buffer = EMPTY;
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
    this.#call(label, 'T', counted(absolute(path)), times);
  }

  /** Makes a node of `mode` (type and permissions) for device `dev`. False when it cannot be done. */
  makeNode(path: Buffer, mode: number, dev: bigint, label: string): boolean {
    if (this.#isDead) return false;
    const numbers = Buffer.alloc(12);
    numbers.writeUInt32BE(mode, 0);
    numbers.writeBigUInt64BE(dev, 4);
    this.#call(label, 'N', counted(absolute(path)), numbers);
    return true;
  }

  setXattr(path: Buffer, { name, value }: Xattr, label: string): void {
    if (this.#isDead) return;
    this.#call(label, 'X', counted(absolute(path)), counted(name), counted(value));
  }

  /** The attributes of each path, in order; empty where there are none or no helper. */
  async readXattrs(paths: readonly Buffer[]): Promise<Xattr[][]> {
    if (this.#isDead) return paths.map(() => []);
    const answers = paths.map((path) => this.#ask('L', counted(absolute(path))));
    await this.#barrier();
    return (await Promise.all(answers)).map(parseXattrs);
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

function parseXattrs(answer: Buffer | undefined): Xattr[] {
  const xattrs: Xattr[] = [];
  let rest = answer ?? EMPTY;
  const next = (): Buffer => {
    const end = 4 + rest.readUInt32BE(0);
    const bytes = rest.subarray(4, end);
    rest = rest.subarray(end);
    return bytes;
  };
  while (rest.length > 0) xattrs.push({ name: next(), value: next() });
  return xattrs;
}

/** The helper is another process: this one's descriptors have another name there. */
function absolute(path: Buffer): Buffer {
  const self = Buffer.from('/proc/self/');
  if (!path.subarray(0, self.length).equals(self)) return path;
  return Buffer.concat([Buffer.from(`/proc/${process.pid}/`), path.subarray(self.length)]);
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
