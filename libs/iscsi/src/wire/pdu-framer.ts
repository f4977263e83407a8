// Cuts a stream of bytes into PDUs. It does not matter how the bytes are cut when they arrive, memory grows with what
// arrived and never with what a length field claims, and a stream that breaks the rules throws a protocol error.

import { protocolError } from '../iscsi-error.ts';
import { CRC32C_START, crc32c, crc32cAdd, crc32cFinish } from './crc32c.ts';
import { AT, BHS_BYTES, DIGEST_BYTES, type Digests, dataBytesOf } from './pdu.ts';

export interface PduReceiver {
  /**
   * A header has arrived. Answers where its data belong, exactly as long as they are, or undefined: then the framer
   * finds memory itself. Throws when the header may not come now.
   */
  place(header: Buffer): Buffer | undefined;
  /** The PDU is complete. `header` is valid during the call only; `data` is the receiver's to keep. */
  receive(header: Buffer, data: Buffer): void;
}

const AHS_BYTES_MAX = 255 * 4;
const FIRST_MEMORY_BYTES = 4096;
const NOTHING: Buffer = Buffer.alloc(0);

export class PduFramer {
  /** Changes with the next PDU: digests are for what comes behind the login. */
  digests: Digests = { header: false, data: false };
  /** Longest data segment taken: what we declared to the target. */
  readonly #dataBytesMax: number;
  readonly #receiver: PduReceiver;
  readonly #header = Buffer.alloc(BHS_BYTES + AHS_BYTES_MAX + DIGEST_BYTES);
  readonly #tail = Buffer.alloc(3 + DIGEST_BYTES);
  #headerFilled = 0;
  #headerWanted = BHS_BYTES;
  #data = NOTHING;
  #isPlaced = false;
  #dataFilled = 0;
  #dataWanted = 0;
  #tailFilled = 0;
  #tailWanted = 0;
  #sum = CRC32C_START;

  constructor(dataBytesMax: number, receiver: PduReceiver) {
    this.#dataBytesMax = dataBytesMax;
    this.#receiver = receiver;
  }

  /** Takes the next bytes, which may be reused after the call, and hands out each PDU that they complete. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#headerFilled < this.#headerWanted) at = this.#fillHeader(chunk, at);
      else if (this.#dataFilled < this.#dataWanted) at = this.#fillData(chunk, at);
      else at = this.#fillTail(chunk, at);
    }
  }

  #fillHeader(chunk: Buffer, from: number): number {
    const end = Math.min(chunk.length, from + this.#headerWanted - this.#headerFilled);
    chunk.copy(this.#header, this.#headerFilled, from, end);
    this.#headerFilled += end - from;
    if (this.#headerFilled === BHS_BYTES && this.#headerWanted === BHS_BYTES) {
      const ahsBytes = (this.#header[AT.ahsWords] ?? 0) * 4;
      this.#headerWanted += ahsBytes + (this.digests.header ? DIGEST_BYTES : 0);
    }
    if (this.#headerFilled === this.#headerWanted) this.#headerComplete();
    return end;
  }

  #headerComplete(): void {
    const ahsEnd = BHS_BYTES + (this.#header[AT.ahsWords] ?? 0) * 4;
    if (this.digests.header) {
      const sum = crc32c([this.#header.subarray(0, ahsEnd)]);
      if (sum !== this.#header.readUInt32LE(ahsEnd)) throw protocolError('header digest mismatch');
    }
    checkAhs(this.#header.subarray(BHS_BYTES, ahsEnd));
    const header = this.#header.subarray(0, BHS_BYTES);
    const bytes = dataBytesOf(header);
    if (bytes > this.#dataBytesMax) {
      throw protocolError(`a data segment of ${bytes} bytes, ${this.#dataBytesMax} are taken`);
    }
    const place = this.#receiver.place(header);
    this.#isPlaced = place !== undefined;
    this.#data = place ?? NOTHING;
    this.#dataWanted = bytes;
    this.#tailWanted = bytes === 0 ? 0 : (-bytes & 3) + (this.digests.data ? DIGEST_BYTES : 0);
    if (bytes === 0) this.#pduComplete();
  }

  #fillData(chunk: Buffer, from: number): number {
    const end = Math.min(chunk.length, from + this.#dataWanted - this.#dataFilled);
    this.#grow(this.#dataFilled + end - from);
    chunk.copy(this.#data, this.#dataFilled, from, end);
    this.#dataFilled += end - from;
    if (this.digests.data) this.#sum = crc32cAdd(this.#sum, chunk.subarray(from, end));
    if (this.#dataFilled === this.#dataWanted && this.#tailWanted === 0) this.#pduComplete();
    return end;
  }

  /** Memory of our own: twice what has arrived at most. */
  #grow(neededBytes: number): void {
    if (this.#isPlaced || neededBytes <= this.#data.length) return;
    const bytes = Math.min(this.#dataWanted, Math.max(FIRST_MEMORY_BYTES, neededBytes * 2));
    const grown = Buffer.alloc(bytes);
    this.#data.copy(grown, 0, 0, this.#dataFilled);
    this.#data = grown;
  }

  #fillTail(chunk: Buffer, from: number): number {
    const end = Math.min(chunk.length, from + this.#tailWanted - this.#tailFilled);
    chunk.copy(this.#tail, this.#tailFilled, from, end);
    this.#tailFilled += end - from;
    if (this.#tailFilled === this.#tailWanted) {
      if (this.digests.data) this.#checkDataDigest();
      this.#pduComplete();
    }
    return end;
  }

  #checkDataDigest(): void {
    const pad = this.#tailWanted - DIGEST_BYTES;
    const sum = crc32cFinish(crc32cAdd(this.#sum, this.#tail.subarray(0, pad)));
    if (sum !== this.#tail.readUInt32LE(pad)) throw protocolError('data digest mismatch');
  }

  #pduComplete(): void {
    const data = this.#data.subarray(0, this.#dataWanted);
    this.#data = NOTHING;
    this.#headerFilled = 0;
    this.#headerWanted = BHS_BYTES;
    this.#dataFilled = 0;
    this.#dataWanted = 0;
    this.#tailFilled = 0;
    this.#tailWanted = 0;
    this.#sum = CRC32C_START;
    this.#receiver.receive(this.#header.subarray(0, BHS_BYTES), data);
  }
}

/** Additional headers are of no use to us, but a list that does not add up is a broken stream. */
function checkAhs(list: Buffer): void {
  let at = 0;
  while (at < list.length) {
    // Length without the first four bytes' type byte and itself, rounded up to words (RFC 7143, 11.2.2).
    const bytes = 3 + list.readUInt16BE(at);
    at += bytes + (-bytes & 3);
  }
  if (at !== list.length) throw protocolError('additional headers longer than their list');
}
