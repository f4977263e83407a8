// Direct access reads what it needs and next to nothing else: a file, or a folder, out of an image of 50 GiB whose bulk
// is a hole. What counts are the ranges that the mover is asked for, in whole records of any size.

import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  writeSync,
} from 'node:fs';
import type { Socket } from 'node:net';
import { DATA_HALT } from '@tapestry/ndmp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { END_OF_ARCHIVE, encodeMember, type Member, paddingOf } from '../src/core/tar-encode.ts';
import { Dma, listenForData, makeWorkspace, nameEntry, startServer, variables } from './harness.ts';

const BULK_BYTES = 50 * 2 ** 30;
const RECORD_SIZES = [10, 63, 256, 1024].map((kib) => kib * 1024);
const FILES_IN_FOLDER = 700;
const workspace = makeWorkspace();
let server: Awaited<ReturnType<typeof startServer>>;
let image: number;
let imageBytes = 0;
/** Where members begin, and where what belongs to them ends. */
const spans = new Map<string, Span>();

interface Span {
  start: number;
  end: number;
}

function contentOf(path: string, size: number): Buffer {
  return Buffer.alloc(size, `content of ${path} `);
}

function put(path: string, size: number, type: Member['type'] = 'file'): void {
  const mtimeNs = 1_700_000_000_123_456_789n;
  const mode = type === 'directory' ? 0o755 : 0o644;
  const common = { mode, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, mtimeNs };
  const member: Member = { type, path: Buffer.from(path), size, ...common };
  const start = imageBytes;
  const headers = encodeMember(member);
  writeSync(image, headers, 0, headers.length, start);
  const isBulk = size >= BULK_BYTES;
  if (!isBulk) writeSync(image, contentOf(path, size), 0, size, start + headers.length);
  imageBytes = start + headers.length + size + paddingOf(size);
  spans.set(path, { start, end: imageBytes });
}

beforeAll(async () => {
  mkdirSync(workspace.file('to'));
  image = openSync(workspace.file('image'), 'w+');
  put('', 0, 'directory');
  put('alone', 1000);
  put('bulk', BULK_BYTES);
  put('empty', 0);
  put('small', 1024);
  put('middle', 100_000);
  put('large', 3 * 2 ** 20 + 1);
  put('folder', 0, 'directory');
  for (let i = 0; i < FILES_IN_FOLDER; i += 1) put(`folder/${i}`, 1024 + (i % 7) * 700);
  put('folder/sub', 0, 'directory');
  put('folder/sub/large', 2 ** 20);
  put('folder/sub/last', 100);
  (spans.get('folder') as Span).end = imageBytes;
  put('more', BULK_BYTES);
  writeSync(image, END_OF_ARCHIVE, 0, END_OF_ARCHIVE.length, imageBytes);
  imageBytes += END_OF_ARCHIVE.length;
  ftruncateSync(image, imageBytes);
  server = await startServer(workspace, { to: workspace.file('to') });
});

afterAll(async () => {
  await server.close();
  closeSync(image);
  workspace.remove();
});

function serve(socket: Socket, offset: number, length: number): void {
  if (length > 2 ** 24) throw new Error(`a range of ${length} bytes`);
  const bytes = Buffer.alloc(length); // what lies beyond the end is zeros, as in a tape's last record
  readSync(image, bytes, 0, length, offset);
  socket.write(bytes);
}

/** The ranges that a recovery of one path asks for. */
async function rangesFor(path: string, to: string, align: string): Promise<Span[]> {
  const dma = await Dma.login(server.address);
  const { port, socket } = await listenForData();
  const endpoints = [{ host: '127.0.0.1', port, env: [] }];
  await dma.client.dataConnect({ type: 'tcp', endpoints });
  const data = await socket;
  const ranges: Span[] = [];
  dma.onDataRead = (offset, length) => {
    ranges.push({ start: Number(offset), end: Number(offset + length) });
    serve(data, Number(offset), Number(length));
  };
  const env = variables({
    ...{ FILESYSTEM: '/home', DIRECT: 'y', TAPESTRY_IMAGE_BYTES: String(imageBytes) },
    DR_ALIGN: align,
  });
  const offset = BigInt(spans.get(path)?.start ?? -1);
  const names = [nameEntry(`/${path}`, `/to/${to}`, offset)];
  await dma.client.startRecover({ butype: 'tar', env, names });
  expect(await dma.halted()).toBe(DATA_HALT.successful);
  expect(dma.logText).toBe('');
  await dma.client.stop();
  dma.client.close();
  data.destroy();
  return ranges;
}

/** Bytes of the records that a mover reads for these ranges; it keeps the one it stands in. */
function recordBytes(ranges: readonly Span[], recordSize: number): number {
  const records = new Set<number>();
  for (const { start, end } of ranges) {
    const last = Math.floor((end - 1) / recordSize);
    for (let at = Math.floor(start / recordSize); at <= last; at += 1) records.add(at);
  }
  return records.size * recordSize;
}

const span = (path: string): Span => spans.get(path) as Span;
const sizeOf = ({ start, end }: Span): number => end - start;

describe.each(['1', ...RECORD_SIZES.map(String)])('ranges in multiples of %s', (align) => {
  test.each(['alone', 'empty', 'small', 'middle', 'large'])('one file: %s', async (path) => {
    const to = `${path}-${align}`;
    const ranges = await rangesFor(path, to, align);
    const content = readFileSync(workspace.file(`to/${to}`));
    expect(content.equals(contentOf(path, content.length))).toBe(true);
    for (const size of align === '1' ? RECORD_SIZES : [Number(align)]) {
      expect(recordBytes(ranges, size)).toBeLessThanOrEqual(sizeOf(span(path)) + 2 * size);
    }
  });

  test('a folder with all that is in it', async () => {
    const to = `folder-${align}`;
    const ranges = await rangesFor('folder', to, align);
    expect(readdirSync(workspace.file(`to/${to}`)).length).toBe(FILES_IN_FOLDER + 1);
    expect(readFileSync(workspace.file(`to/${to}/sub/large`)).length).toBe(2 ** 20);
    // Where it ends shows only behind it: a part of what was read is read ahead.
    const bytes = sizeOf(span('folder'));
    const ahead = Math.min(bytes / 16, 256 * 1024);
    for (const size of align === '1' ? RECORD_SIZES : [Number(align)]) {
      expect(recordBytes(ranges, size)).toBeLessThanOrEqual(bytes + ahead + 2 * size);
    }
  });
});
