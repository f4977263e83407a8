// Backup formatter for the DATA agent of NDMJOB, which brings none of its own. GNU tar writes and reads
// the files; this program reads the headers that pass by, to report history with offsets and to cut
// single members out of an image. It shares no code with ndmpd, so that each checks the other.
//
//   wrap_tar {-c | -x | -t} -I#3 [-dN] [-E NAME=VALUE]... [ORIGINAL @FHINFO DESTINATION]...
//
// Image on stdout (backup) or stdin (recovery); lines for the agent on descriptor 3: "HF" and "HD"/"HN"
// for history, "DR offset length" to ask for a range of the image, "Lx text" for its log.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type TarHeader, TarHeaders, tarPadding } from './tar-headers.ts';

const BLOCK = 512;
// The mover of NDMJOB serves whole records only: a common multiple of the usual record sizes.
const RANGE_ALIGN = 1_310_720;
const END_OF_ARCHIVE = Buffer.alloc(2 * BLOCK);

interface Order {
  mode: 'c' | 'x' | 't';
  env: Map<string, string>;
  wanted: { original: string; offset: number | undefined; destination: string }[];
}

function parseOrder(args: string[]): Order {
  const order: Order = { mode: 'c', env: new Map(), wanted: [] };
  const rest: string[] = [];
  for (let i = 0; i < args.length; i += 1) {
    const arg = args[i] as string;
    if (arg === '-c' || arg === '-x' || arg === '-t') order.mode = arg[1] as Order['mode'];
    else if (arg.startsWith('-E')) {
      const pair = arg.length > 2 ? arg.slice(2) : (args[++i] as string);
      const at = pair.indexOf('=');
      order.env.set(pair.slice(0, at), pair.slice(at + 1));
    } else if (!arg.startsWith('-I') && !arg.startsWith('-d')) rest.push(arg);
  }
  for (let i = 0; i + 2 < rest.length; i += 3) {
    const [original, info, destination] = rest.slice(i, i + 3) as [string, string, string];
    const offset = /^@\d+$/.test(info) ? Number(info.slice(1)) : undefined;
    order.wanted.push({ original: cleanPath(original), offset, destination });
  }
  return order;
}

function cleanPath(path: string): string {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

function say(line: string): void {
  writeSync(3, `${line}\n`);
}

function escapeName(name: string): string {
  return Buffer.from(name, 'latin1')
    .toString('latin1')
    .replace(/[^A-Za-z0-9_./,+=:@~-]/g, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

const KIND: Readonly<Record<string, string>> = {
  '0': '-',
  '1': '-',
  '2': 'l',
  '3': 'c',
  '4': 'b',
  '5': 'd',
  '6': 'p',
};

function statWords(header: TarHeader, inode: number): string {
  const mode = header.mode.toString(8).padStart(4, '0');
  const kind = KIND[header.flag] ?? 'o';
  const { size, uid, gid, mtime } = header;
  return `f${kind} m${mode} s${size} u${uid} g${gid} tm${mtime} i${inode}`;
}

/** History of one member; the root goes by "/". */
function sayHistory(header: TarHeader, root: string, form: string): void {
  const path = cleanPath(header.name);
  const inode = inodeOf(join(root, path));
  if (form === 'd') {
    const parent = path === '' ? inode : inodeOf(join(root, dirname(path)));
    say(`HD ${parent} ${path === '' ? '.' : escapeName(basename(path))} ${inode}`);
    say(`HN ${inode} @${header.offset} ${statWords(header, inode)}`);
  } else say(`HF /${escapeName(path)} @${header.offset} ${statWords(header, inode)}`);
}

function inodeOf(path: string): number {
  try {
    return lstatSync(Buffer.from(path, 'latin1')).ino;
  } catch {
    return 0;
  }
}

async function backUp(order: Order): Promise<void> {
  const root = order.env.get('FILESYSTEM') ?? order.env.get('PREFIX') ?? '/';
  const form = (order.env.get('HIST') ?? 'n').toLowerCase()[0] ?? 'n';
  const args = [
    '--format=gnu',
    '--sort=name',
    '--numeric-owner',
    '-b',
    '20',
    '-C',
    root,
    '-cf',
    '-',
    '.',
  ];
  const tar = spawn('tar', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(tar, 'close');
  const headers = new TarHeaders((header) => {
    if ('yfd'.includes(form)) sayHistory(header, root, form);
  });
  for await (const chunk of tar.stdout as AsyncIterable<Buffer>) {
    headers.push(chunk);
    if (!process.stdout.write(chunk)) await once(process.stdout, 'drain');
  }
  const [code] = await ended;
  // 1: something changed while it was read; tar said what on stderr, which the agent logs.
  if (code !== 0 && code !== 1) throw new Error(`tar ended with ${code}`);
}

/** Bytes of the image, asked for range by range. */
class Image {
  readonly #chunks = process.stdin[Symbol.asyncIterator]();
  #held: Buffer = Buffer.alloc(0);
  #position = 0;
  #rangeEnd = 0;

  /** Asks for everything from here on. */
  askAll(): void {
    this.#rangeEnd = Number.POSITIVE_INFINITY;
    say(`DR ${this.#position} -1`);
  }

  /** Through the running range where it leads there; else that range is read out, and a new one asked. */
  async seek(offset: number): Promise<void> {
    const isAhead = offset >= this.#position && offset < this.#rangeEnd;
    await this.exactly(
      (isAhead ? offset : Math.max(this.#rangeEnd, this.#position)) - this.#position,
    );
    if (isAhead) return;
    this.#position = offset;
    this.#rangeEnd = 0;
  }

  /** Up to `most` bytes; empty at the end of the image. */
  async read(most: number): Promise<Buffer> {
    if (this.#position >= this.#rangeEnd) await this.#askNext();
    if (this.#held.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) return Buffer.alloc(0);
      this.#held = next.value as Buffer;
    }
    const taken = this.#held.subarray(0, most);
    this.#held = this.#held.subarray(taken.length);
    this.#position += taken.length;
    return taken;
  }

  async exactly(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let left = length;
    while (left > 0) {
      const part = await this.read(left);
      if (part.length === 0) throw new Error('the image ends too early');
      parts.push(Buffer.from(part));
      left -= part.length;
    }
    return Buffer.concat(parts);
  }

  async #askNext(): Promise<void> {
    const from = Math.floor(this.#position / RANGE_ALIGN) * RANGE_ALIGN;
    this.#rangeEnd = from + RANGE_ALIGN;
    say(`DR ${from} ${RANGE_ALIGN}`);
    const lead = this.#position - from;
    this.#position = from;
    if (lead > 0) await this.exactly(lead);
  }
}

function within(path: string, top: string): boolean {
  return top === '' || path === top || path.startsWith(`${top}/`);
}

/** Unpacks what tar is fed, beside the destination; then the wanted names are moved into place. */
class Unpacker {
  readonly #folder: string;
  readonly #tar: ChildProcess;
  readonly #ended: Promise<unknown[]>;

  constructor(destination: string) {
    const parent = dirname(destination);
    mkdirSync(parent, { recursive: true });
    this.#folder = mkdtempSync(join(parent, '.wrap-tar-'));
    this.#tar = spawn('tar', ['-xpf', '-', '--numeric-owner', '-C', this.#folder], {
      stdio: ['pipe', 'inherit', 'inherit'],
    });
    this.#tar.stdin?.on('error', () => {}); // tar stops reading at the end mark
    this.#ended = once(this.#tar, 'close');
  }

  async feed(bytes: Buffer): Promise<void> {
    const stdin = this.#tar.stdin;
    if (stdin === null || stdin.destroyed || stdin.write(bytes)) return;
    await Promise.race([once(stdin, 'drain'), this.#ended]);
  }

  async finish(): Promise<void> {
    await this.feed(END_OF_ARCHIVE);
    this.#tar.stdin?.end();
    const [code] = await this.#ended;
    if (code !== 0) say(`Le tar ended with ${code}`);
  }

  /** Moves one name out; false when the image did not have it. */
  move(original: string, destination: string): boolean {
    try {
      mkdirSync(dirname(destination), { recursive: true });
      mergeMove(join(this.#folder, original), destination);
      return true;
    } catch {
      return false;
    }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function mergeMove(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  renameSync(from, to);
}

async function recover(order: Order): Promise<void> {
  const image = new Image();
  const direct = !['n', 'N'].includes(order.env.get('DIRECT') ?? 'y');
  const all = order.wanted.filter(({ original }) => original === '');
  if (all.length > 0 || order.wanted.length === 0) {
    await recoverAll(image, all[0]?.destination ?? order.env.get('PREFIX') ?? '/');
  } else if (direct && order.wanted.every(({ offset }) => offset !== undefined)) {
    const sorted = order.wanted.toSorted((a, b) => (a.offset ?? 0) - (b.offset ?? 0));
    for (const one of sorted) await recoverDirect(image, one);
  } else await recoverNamed(image, order);
}

async function recoverAll(image: Image, destination: string): Promise<void> {
  mkdirSync(destination, { recursive: true });
  const tar = spawn('tar', ['-xpf', '-', '--numeric-owner', '-C', destination], {
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  tar.stdin.on('error', () => {});
  const ended = once(tar, 'close');
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  image.askAll();
  while (!isOver) {
    const chunk = await Promise.race([image.read(1 << 20), ended.then(() => Buffer.alloc(0))]);
    if (chunk.length === 0) break;
    if (!tar.stdin.write(chunk)) await Promise.race([once(tar.stdin, 'drain'), ended]);
  }
  tar.stdin.end();
  const [code] = await ended;
  if (code !== 0) say(`Le tar ended with ${code}`);
}

/** One pass over the image; only the wanted members are fed to tar. */
async function recoverNamed(image: Image, order: Order): Promise<void> {
  const first = order.wanted[0] as Order['wanted'][number];
  const unpacker = new Unpacker(first.destination);
  image.askAll();
  await copyMembers(image, unpacker, (path) => order.wanted.some((w) => within(path, w.original)));
  await unpacker.finish();
  for (const { original, destination } of order.wanted) {
    if (!unpacker.move(original, destination)) say(`Le /${escapeName(original)} not in the image`);
  }
  unpacker.remove();
}

async function recoverDirect(image: Image, one: Order['wanted'][number]): Promise<void> {
  const unpacker = new Unpacker(one.destination);
  await image.seek(one.offset ?? 0);
  let isOver = false;
  await copyMembers(
    image,
    unpacker,
    (path) => within(path, one.original),
    (path, header) => {
      isOver ||= !within(path, one.original) || (path === one.original && header.flag !== '5');
      return isOver;
    },
  );
  await unpacker.finish();
  if (!unpacker.move(one.original, one.destination))
    say(`Le /${escapeName(one.original)} not there`);
  unpacker.remove();
}

/** Passes wanted members on, headers and data, until the image or `isLast` ends it. */
async function copyMembers(
  image: Image,
  unpacker: Unpacker,
  isWanted: (path: string) => boolean,
  isLast: (path: string, header: TarHeader) => boolean = () => false,
): Promise<void> {
  for (;;) {
    const blocks: Buffer[] = [];
    let header: TarHeader | undefined;
    const headers = new TarHeaders((found) => {
      header = found;
    });
    while (header === undefined) {
      const block = await image.exactly(BLOCK);
      if (blocks.length === 0 && block.every((byte) => byte === 0)) return;
      blocks.push(block);
      headers.push(block);
    }
    const member: TarHeader = header;
    const path = cleanPath(member.name);
    const wanted = isWanted(path);
    if (wanted) for (const block of blocks) await unpacker.feed(block);
    const last = isLast(path, member);
    if (last && !wanted) return;
    await copyData(image, member, wanted ? unpacker : undefined);
    if (last) return;
  }
}

async function copyData(
  image: Image,
  member: TarHeader,
  into: Unpacker | undefined,
): Promise<void> {
  let left = member.dataBytes + tarPadding(member.dataBytes);
  while (left > 0) {
    const part = await image.read(left);
    if (part.length === 0) throw new Error('the image ends too early');
    left -= part.length;
    await into?.feed(part);
  }
}

/** History out of an image: nothing is written. */
async function list(): Promise<void> {
  const image = new Image();
  const headers = new TarHeaders((header) => sayHistory(header, '/nowhere', 'f'));
  image.askAll();
  for (;;) {
    const chunk = await image.read(1 << 20);
    if (chunk.length === 0 || headers.isOver) return;
    headers.push(chunk);
  }
}

const order = parseOrder(process.argv.slice(2));
const work = { c: backUp, x: recover, t: list }[order.mode];
await work(order).catch((error: unknown) => {
  say(`Le ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
});
process.stdin.destroy();
