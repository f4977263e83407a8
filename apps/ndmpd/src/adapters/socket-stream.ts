// A socket as the mover reads and writes it: one call of each kind at a time, back-pressure both ways, and the peer's
// end told even while nobody reads. The socket must have been made with allowHalfOpen.

import type { Socket } from 'node:net';
import type { ByteStream } from '@tapestry/ndmp';

const END_TIMEOUT_MS = 60_000;
/** How long a peer that got everything may take to close its own side. */
const LINGER_MS = 2000;

/** Called whenever bytes came, and right before bytes go. */
export type StreamWatcher = () => void;

export class SocketStream implements ByteStream {
  readonly peerEnd: Promise<'closed' | 'broken'>;
  readonly #socket: Socket;
  readonly #onMoved: StreamWatcher;
  #hasEnded = false;
  #rest: Buffer | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: Socket, onMoved: StreamWatcher) {
    this.#socket = socket;
    this.#onMoved = onMoved;
    socket.on('error', () => socket.destroy()); // told by 'close'
    this.peerEnd = new Promise((resolve) => {
      socket.once('end', () => {
        this.#hasEnded = true;
        resolve('closed');
        this.#wake?.();
      });
      socket.once('close', () => {
        resolve('broken');
        this.#wake?.();
      });
    });
    socket.on('readable', () => {
      // Only a read that finds nothing lets the stream notice its end.
      if (socket.readableLength === 0) socket.read();
      this.#wake?.();
    });
  }

  async read(sizeBytesMax: number): Promise<Buffer | undefined> {
    for (;;) {
      const chunk: Buffer | null = this.#rest ?? this.#socket.read();
      this.#rest = undefined;
      if (chunk !== null) {
        if (chunk.length > sizeBytesMax) this.#rest = chunk.subarray(sizeBytesMax);
        this.#onMoved();
        return chunk.subarray(0, sizeBytesMax);
      }
      if (this.#hasEnded) return undefined;
      if (this.#socket.destroyed) throw new Error('the data connection broke');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  write(bytes: Buffer): Promise<void> {
    this.#onMoved();
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }

  async end(): Promise<void> {
    const socket = this.#socket;
    if (socket.destroyed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, END_TIMEOUT_MS);
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      socket.once('close', done);
      socket.end(done);
    });
    // A close with bytes unread would reset the connection under what the peer has yet to read.
    const linger = setTimeout(() => socket.destroy(), LINGER_MS);
    void this.peerEnd.then(() => {
      clearTimeout(linger);
      socket.destroy();
    });
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
