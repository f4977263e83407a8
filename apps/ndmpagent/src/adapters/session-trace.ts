// One NDMP session recorded message by message into a file, for whoever has to find out what a filer and we said to each
// other. Without secrets, bounded in size, and never a reason for a session to fail. Shown by `ndmp-probe -trace FILE`.
//
// Lines: `# …` is a remark; `epochMs mark message` a message, with the mark `!` for errors and `.` for the rest; below it
// stand its bytes as TraceWriter writes them, so that `readTrace` of @tapestry/ndmp can play the session again.

import {
  createWriteStream,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  type WriteStream,
} from 'node:fs';
import { join } from 'node:path';
import {
  type NdmpTransport,
  type Speaker,
  TraceDecoder,
  TraceWriter,
  traceLine,
} from '@tapestry/ndmp';
import type { Logger } from '@tapestry/runtime';

export interface TracePlace {
  /** Empty: nothing is recorded. */
  readonly dir: string;
  /** Of one session; the last messages are kept beyond it. */
  readonly bytesMax: number;
  readonly nowMs: () => number;
  readonly log: Logger;
}

const SUFFIX = '.ndmptrace';
/** Older sessions make room. */
const FILES_MAX = 50;
const LAST_LINES = 200;
const LINE_MAX_CHARS = 2_000;

/** The same transport, heard; untouched where nothing is recorded. `name` tells the session, `host` the filer. */
export function traced<T extends NdmpTransport>(
  transport: T,
  { name, host }: { readonly name: string; readonly host: string },
  place: TracePlace,
): T {
  if (place.dir === '') return transport;
  try {
    mkdirSync(place.dir, { recursive: true, mode: 0o700 });
    makeRoom(place.dir);
  } catch (error) {
    place.log.warn({ err: error, dir: place.dir }, 'NDMP sessions cannot be recorded');
    return transport;
  }
  const file = join(place.dir, `${place.nowMs()}-${fileName(`${host}-${name}`)}${SUFFIX}`);
  const trace = new SessionTrace(file, place);
  trace.remark(`NDMP session ${name} with ${host}`);
  return {
    ...transport,
    write: (bytes) => {
      trace.hear('dma', bytes);
      transport.write(bytes);
    },
    onData: (handler) =>
      transport.onData((chunk) => {
        trace.hear('server', chunk);
        handler(chunk);
      }),
    onClose: (handler) =>
      transport.onClose((error) => {
        trace.end(error === undefined ? 'the connection ended' : `lost: ${error.message}`);
        handler(error);
      }),
  };
}

class SessionTrace {
  readonly #decoder = new TraceDecoder();
  readonly #writer = new TraceWriter();
  readonly #place: TracePlace;
  readonly #out: WriteStream;
  #bytes = 0;
  #isOver = false;
  /** Beyond the bound: how many there were, and the last of them. */
  #beyond = 0;
  #last: string[] = [];

  constructor(file: string, place: TracePlace) {
    this.#place = place;
    this.#out = createWriteStream(file, { mode: 0o600, flags: 'wx' });
    this.#out.on('error', (error) => {
      this.#isOver = true;
      place.log.warn({ err: error, file }, 'an NDMP session is not recorded further');
    });
  }

  hear(from: Speaker, bytes: Uint8Array): void {
    if (this.#isOver) return;
    try {
      // Both take their own copy: what was heard is still on its way.
      const records = this.#writer.push({ from, bytes: Buffer.from(bytes) });
      const messages = this.#decoder.push({ from, bytes: Buffer.from(bytes) });
      for (const [i, message] of messages.entries()) {
        const mark = message.error !== 0 || message.kind === 'broken' ? '!' : '.';
        const text = `${this.#place.nowMs()} ${mark} ${oneLine(traceLine(message))}`;
        this.#message(text, records[i] ?? '');
      }
    } catch (error) {
      // The client finds the same fault, and ends the session for it.
      this.end(`what the ${from} says cannot be read: ${(error as Error).message}`);
    }
  }

  remark(text: string): void {
    this.#write(`# ${oneLine(text)}`);
  }

  end(why: string): void {
    if (this.#isOver) return;
    const leftOut = this.#beyond - this.#last.length;
    if (leftOut > 0) this.remark(`${leftOut} messages left out`);
    for (const line of this.#last) this.#write(line);
    this.remark(why);
    this.#isOver = true;
    this.#out.end();
  }

  #message(text: string, record: string): void {
    const isFull = this.#beyond > 0 || this.#bytes + text.length > this.#place.bytesMax;
    if (isFull) {
      this.#beyond += 1;
      this.#last.push(text);
      if (this.#last.length > LAST_LINES) this.#last.shift();
      return;
    }
    this.#write(text);
    if (this.#bytes + record.length <= this.#place.bytesMax) this.#write(record);
  }

  #write(line: string): void {
    this.#bytes += Buffer.byteLength(line) + 1;
    this.#out.write(`${line}\n`);
  }
}

function oneLine(text: string): string {
  const printable = text.toWellFormed().replaceAll(/\p{Cc}+/gu, ' ');
  return printable.length > LINE_MAX_CHARS ? `${printable.slice(0, LINE_MAX_CHARS)}…` : printable;
}

function fileName(text: string): string {
  return text.replaceAll(/[^\w.-]+/g, '_').slice(0, 100);
}

/** Removes the oldest recordings, by what their names begin with. */
function makeRoom(dir: string): void {
  const files = readdirSync(dir).filter((name) => name.endsWith(SUFFIX));
  const oldest = files
    .map((name) => ({ name, atMs: statSync(join(dir, name)).mtimeMs }))
    .sort((a, b) => a.atMs - b.atMs)
    .slice(0, Math.max(0, files.length - FILES_MAX + 1));
  for (const { name } of oldest) rmSync(join(dir, name), { force: true });
}
