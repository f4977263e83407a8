// Cuts a stream into records, one ahead of the tape: while one record is written, the next one fills.
// Two records of memory, whatever comes.

import type { ByteStream } from './server-ports.ts';

export interface CollectedRecord {
  /** As long as a record; what `sizeBytes` leaves is anything. */
  readonly buffer: Buffer;
  readonly sizeBytes: number;
  /** The peer closed in order behind these bytes. */
  readonly isOver: boolean;
}

export class RecordCollector {
  readonly #stream: ByteStream;
  readonly #buffers: [Buffer, Buffer];
  #next: Promise<CollectedRecord>;

  constructor(stream: ByteStream, recordSizeBytes: number) {
    this.#stream = stream;
    this.#buffers = [Buffer.alloc(recordSizeBytes), Buffer.alloc(recordSizeBytes)];
    this.#next = this.#fill(this.#buffers[0]);
  }

  /**
   * The next record; the one taken before it is overwritten from now on. Rejects when the connection
   * broke. After the record that is the last nothing may be taken.
   */
  async take(): Promise<CollectedRecord> {
    const record = await this.#next;
    if (!record.isOver) {
      const [a, b] = this.#buffers;
      this.#next = this.#fill(record.buffer === a ? b : a);
    }
    return record;
  }

  #fill(buffer: Buffer): Promise<CollectedRecord> {
    const filled = this.#collect(buffer);
    filled.catch(() => undefined); // told to who takes it
    return filled;
  }

  async #collect(buffer: Buffer): Promise<CollectedRecord> {
    let sizeBytes = 0;
    while (sizeBytes < buffer.length) {
      const chunk = await this.#stream.read(buffer.length - sizeBytes);
      if (chunk === undefined) return { buffer, sizeBytes, isOver: true };
      chunk.copy(buffer, sizeBytes);
      sizeBytes += chunk.length;
    }
    return { buffer, sizeBytes, isOver: false };
  }
}
