// One SCSI command under way: how much of its data has moved, and what may still move.

import type { IscsiError } from '../iscsi-error.ts';
import { protocolError } from '../iscsi-error.ts';
import { totalBytes } from '../wire/parts.ts';
import { AT, dataBytesOf } from '../wire/pdu.ts';

export interface ScsiCommand {
  readonly lun: Buffer;
  /** At most 16 bytes. */
  readonly cdb: Uint8Array;
  /** Data to the device, in parts that are sent as they are; not to be changed until the command ended. */
  readonly dataOut?: readonly Uint8Array[];
  /** Where data from the device go; its length is the most that is taken. */
  readonly dataIn?: Buffer;
}

export interface CommandResponse {
  readonly kind: 'response';
  readonly status: number;
  readonly sense: Buffer;
  /** Bytes that arrived in `dataIn`. */
  readonly receivedBytes: number;
  /** What the target says of the length: positive when less moved than asked, negative when the device had more. */
  readonly residualBytes: number;
}

export type CommandOutcome =
  | CommandResponse
  | { readonly kind: 'failed'; readonly error: IscsiError };

const UNDERFLOW = 0x02;
const OVERFLOW = 0x04;
export const HAS_STATUS = 0x01;

export class CommandTask {
  readonly tag: number;
  readonly command: ScsiCommand;
  readonly outBytes: number;
  readonly settle: (outcome: CommandOutcome) => void;
  cmdSn = 0;
  isSent = false;
  #receivedBytes = 0;
  #dataSn = 0;
  #r2tSn = 0;
  #grantedBytes = 0;

  constructor(tag: number, command: ScsiCommand, settle: (outcome: CommandOutcome) => void) {
    this.tag = tag;
    this.command = command;
    this.outBytes = totalBytes(command.dataOut ?? []);
    this.settle = settle;
  }

  get expectedBytes(): number {
    return this.command.dataIn?.length ?? this.outBytes;
  }

  /** What goes without being asked for counts against what the target may ask for. */
  noteUnsolicited(bytes: number): void {
    this.#grantedBytes += bytes;
  }

  /** Where the data of this Data-In belong. */
  placeDataIn(header: Buffer): Buffer | undefined {
    const { dataIn } = this.command;
    const bytes = dataBytesOf(header);
    if (header.readUInt32BE(AT.dataSn) !== this.#dataSn)
      throw protocolError('a Data-In is missing');
    // Data-In comes in order (DataPDUInOrder, DataSequenceInOrder), so a gap is a loss.
    if (bytes > 0 && header.readUInt32BE(AT.bufferOffset) !== this.#receivedBytes) {
      throw protocolError('Data-In out of order');
    }
    const end = this.#receivedBytes + bytes;
    if (end > (dataIn?.length ?? 0)) throw protocolError('more Data-In than was asked for');
    return bytes === 0 ? undefined : dataIn?.subarray(this.#receivedBytes, end);
  }

  noteDataIn(data: Buffer): void {
    this.#receivedBytes += data.length;
    this.#dataSn += 1;
  }

  /** Checks a request for data and answers its range. */
  grant(header: Buffer, maxBurstBytes: number): { offset: number; bytes: number } {
    const offset = header.readUInt32BE(AT.bufferOffset);
    const bytes = header.readUInt32BE(AT.desiredBytes);
    if (header.readUInt32BE(AT.dataSn) !== this.#r2tSn) throw protocolError('an R2T is missing');
    if (bytes === 0 || bytes > maxBurstBytes || offset + bytes > this.outBytes) {
      throw protocolError(`an R2T for ${bytes} bytes at ${offset} of ${this.outBytes}`);
    }
    this.#r2tSn += 1;
    this.#grantedBytes += bytes;
    if (this.#grantedBytes > this.outBytes) throw protocolError('an R2T for data sent before');
    return { offset, bytes };
  }

  /** The end of the command by a response, or by the status in the last Data-In. */
  respond(header: Buffer, sense: Buffer): void {
    const flags = header[AT.flags] ?? 0;
    const residual = header.readUInt32BE(AT.residual);
    const sign = flags & UNDERFLOW ? 1 : flags & OVERFLOW ? -1 : 0;
    this.settle({
      kind: 'response',
      status: header[AT.status] ?? 0,
      sense,
      receivedBytes: this.#receivedBytes,
      residualBytes: sign * residual,
    });
  }

  fail(error: IscsiError): void {
    this.settle({ kind: 'failed', error: error.forCommand(this.isSent) });
  }
}
