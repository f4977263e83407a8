// Sessions of NDMJOB 1.4a's conformance series, recorded against the server in memory: movers 100 of
// 100, data 24 of 24, tapes up to the step where the tester itself is at fault. Played again in any
// cut, the server must say the same, byte for byte.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ClientSession } from '../src/client-session.ts';
import { SessionHarness } from '../src/session-harness.test-data.ts';
import { type TraceChunk, TraceDecoder, traceLines } from '../src/trace.ts';
import { readTrace, TraceWriter } from '../src/trace-file.ts';

const FOLDER = join(import.meta.dirname, 'recorded');
const FILES = readdirSync(FOLDER).sort();

/** What the server says when the DMA's part comes in pieces of this size. */
async function played(chunks: readonly TraceChunk[], pieceBytes: number): Promise<string[]> {
  // The recorded log-in has stars where its password was.
  const harness = new SessionHarness({ password: '******' });
  const writer = new TraceWriter();
  const lines: string[] = [];
  const note = (chunk: TraceChunk): void => void lines.push(...writer.push(chunk));
  harness.onSend = (bytes) => note({ from: 'server', bytes });
  harness.session.greet();
  for (const { from, bytes } of chunks) {
    if (from === 'server') continue;
    note({ from, bytes });
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      harness.session.receive(Buffer.from(bytes.subarray(at, at + pieceBytes)));
    }
    await harness.settle();
  }
  return lines;
}

test('there is a recording of each series', () => {
  expect(FILES.length).toBeGreaterThanOrEqual(8);
});

describe.each(FILES)('%s', (file) => {
  const text = readFileSync(join(FOLDER, file), 'utf8');
  const chunks = readTrace(text);

  test.each([1, 7, 100_000])('in pieces of %i bytes', async (pieceBytes) => {
    expect(await played(chunks, pieceBytes)).toEqual(text.trim().split('\n'));
  });

  test('every message is in the catalogue and decodes', () => {
    const version = Number(/v([234])/.exec(file)?.[1]);
    const decoder = new TraceDecoder();
    const messages = chunks.flatMap((chunk) => decoder.push(chunk));
    expect(decoder.version).toBe(version);
    expect(messages.filter(({ kind, name }) => kind === 'broken' || name.startsWith('0x'))).toEqual(
      [],
    );
    expect(traceLines(chunks).join('\n')).not.toContain('secret');
  });

  test('a client takes the server’s part in single bytes', () => {
    const session = new ClientSession(1 << 20);
    const posts: string[] = [];
    for (const { from, bytes } of chunks) {
      if (from === 'dma') continue;
      for (const byte of bytes) {
        session.receive(Buffer.of(byte), (event) => posts.push(event.type));
      }
    }
    expect(posts).toContain('post');
  });
});
