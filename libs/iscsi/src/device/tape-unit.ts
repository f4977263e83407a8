// A tape drive's logical unit: each SSC command as a call, its expected sense as a value, everything else as the
// StatusError that it means to whoever reads or writes. Knows no positions; it tells when they are lost.

import { StatusError, type StatusName } from '@tapestry/status';
import { IscsiError, toStatusError } from '../iscsi-error.ts';
import { type DeviceOutcome, type DeviceRequest, ScsiDevice } from '../scsi/scsi-device.ts';
import { describeSense, isEndOfData, SENSE_KEY, type Sense } from '../scsi/sense.ts';
import * as spc from '../scsi/spc.ts';
import * as ssc from '../scsi/ssc.ts';
import { SCSI_STATUS, type ScsiTransport } from '../scsi/transport.ts';

export interface TapeTimeouts {
  /** Commands that move no tape. */
  readonly shortMs: number;
  /** One block, filemarks. */
  readonly blockMs: number;
  /** Rewind, space, locate, load, unload: hours on a long tape. */
  readonly moveMs: number;
  readonly eraseMs: number;
}

export const TAPE_TIMEOUTS: TapeTimeouts = {
  shortMs: 60_000,
  blockMs: 25 * 60_000,
  moveMs: 150 * 60_000,
  eraseMs: 180 * 60_000,
};

/**
 * mediumChanged: another medium, at its beginning. positionLost: the drive was reset, or a command failed half done.
 * modeChanged: somebody set the drive up otherwise. fenced: another owner has the reservation.
 */
export type Disturbance = 'mediumChanged' | 'positionLost' | 'modeChanged' | 'fenced';

interface Expectation {
  /** What a failure means to the caller. */
  readonly failure: StatusName;
  readonly what: string;
  /** Senses that are an answer rather than a failure. */
  readonly answers: (sense: Sense) => boolean;
}

const isRemark = ({ key, deferred }: Sense): boolean =>
  !deferred && (key === SENSE_KEY.noSense || key === SENSE_KEY.recovered);
const isEnd = (sense: Sense): boolean => isRemark(sense) || isEndOfData(sense);
const isWritten = (sense: Sense): boolean =>
  isRemark(sense) || (!sense.deferred && sense.key === SENSE_KEY.volumeOverflow);
const isReadable = (sense: Sense): boolean =>
  isEnd(sense) || (!sense.deferred && sense.key === SENSE_KEY.mediumError);
const PREEMPTED = new Set([0x2a03, 0x2a04, 0x2a05]);
const MEDIUM_CHANGED = 0x2800;
const MODE_CHANGED = 0x2a01;
const NOT_SUPPORTED = new Set([0x2000, 0x2400]);

export class TapeUnit {
  readonly device: ScsiDevice;
  readonly #timeouts: TapeTimeouts;
  readonly #onDisturbance: (what: Disturbance) => void;

  constructor(
    transport: ScsiTransport,
    timeouts: TapeTimeouts,
    onDisturbance: (what: Disturbance) => void,
  ) {
    this.#timeouts = timeouts;
    this.#onDisturbance = onDisturbance;
    this.device = new ScsiDevice(transport, (sense) => {
      if (PREEMPTED.has(sense.code)) onDisturbance('fenced');
      else if (sense.code === MEDIUM_CHANGED) onDisturbance('mediumChanged');
      else if (sense.code === MODE_CHANGED) onDisturbance('modeChanged');
      else if (sense.code >> 8 === 0x29) onDisturbance('positionLost');
    });
  }

  /** `failure`: what it means that the drive cannot be reached; by default it is told as what it is. */
  async attach(failure?: StatusName): Promise<void> {
    const { shortMs } = this.#timeouts;
    await this.#connected(this.device.attach(shortMs), failure);
    // For its unit attentions alone: it may belong to somebody else, or be empty.
    await this.#connected(this.device.testUnitReady(shortMs), failure);
  }

  /** Null when ready, else why not. */
  async testUnitReady(): Promise<Sense | null> {
    const cdb = spc.testUnitReady();
    const timeoutMs = this.#timeouts.shortMs;
    const outcome = await this.#connected(
      this.device.run({ cdb, timeoutMs, isHarmless: true }),
      'mediaOpenError',
    );
    if (outcome.sense?.key === SENSE_KEY.notReady) return outcome.sense;
    this.#check(outcome, {
      failure: 'mediaOpenError',
      what: 'asking whether the drive is ready',
      answers: isRemark,
    });
    return null;
  }

  /** A command that may be unknown to the drive: null then. */
  async query(cdb: Buffer, replyBytes: number): Promise<Buffer | null> {
    const dataIn = Buffer.alloc(replyBytes);
    const timeoutMs = this.#timeouts.shortMs;
    const request = { cdb, dataIn, timeoutMs, isHarmless: true };
    const outcome = await this.#connected(this.device.run(request), 'mediaOpenError');
    const { sense } = outcome;
    if (sense?.key === SENSE_KEY.illegalRequest && NOT_SUPPORTED.has(sense.code)) return null;
    this.#check(outcome, {
      failure: 'mediaOpenError',
      what: 'asking the drive',
      answers: isRemark,
    });
    return outcome.data;
  }

  /** A setting that some drives refuse; false then. */
  async set(cdb: Buffer, parameters?: Buffer): Promise<boolean> {
    const timeoutMs = this.#timeouts.shortMs;
    const dataOut = parameters ? { dataOut: [parameters] } : {};
    const request = { cdb, timeoutMs, isHarmless: true, ...dataOut };
    const outcome = await this.#connected(this.device.run(request), 'mediaOpenError');
    if (outcome.sense?.key === SENSE_KEY.illegalRequest) return false;
    this.#check(outcome, { failure: 'mediaOpenError', what: 'setting up', answers: isRemark });
    return true;
  }

  /** Answers a medium error as well: the block is damaged, and the caller passes it. */
  read(into: Buffer): Promise<DeviceOutcome> {
    const request = { cdb: ssc.read(into.length), dataIn: into, timeoutMs: this.#timeouts.blockMs };
    return this.#expect(request, {
      failure: 'mediaReadError',
      what: 'reading a block',
      answers: isReadable,
    });
  }

  write(parts: readonly Uint8Array[], bytes: number): Promise<DeviceOutcome> {
    const request = { cdb: ssc.write(bytes), dataOut: parts, timeoutMs: this.#timeouts.blockMs };
    return this.#expect(request, {
      failure: 'mediaWriteError',
      what: 'writing a block',
      answers: isWritten,
    });
  }

  writeFilemarks(count: number, isImmediate: boolean): Promise<DeviceOutcome> {
    const cdb = ssc.writeFilemarks(count, isImmediate);
    return this.#expect(
      { cdb, timeoutMs: this.#timeouts.blockMs },
      { failure: 'mediaWriteError', what: 'writing filemarks', answers: isWritten },
    );
  }

  space(code: number, count: number): Promise<DeviceOutcome> {
    return this.#move(ssc.space(code, count), 'spacing');
  }

  /** True when the object is on the medium. */
  async locate(object: number): Promise<boolean> {
    const cdb = object > 0xffff_ffff ? ssc.locate16(object) : ssc.locate10(object);
    const outcome = await this.#move(cdb, `locating object ${object}`);
    return outcome.sense === null || !isEndOfData(outcome.sense);
  }

  async rewind(): Promise<void> {
    await this.#move(ssc.rewind(), 'rewinding');
  }

  /** Null when the drive cannot tell, see `parseLongPosition`. */
  async readPosition(): Promise<ssc.LongPosition | null> {
    const dataIn = Buffer.alloc(ssc.LONG_POSITION_BYTES);
    const request = { cdb: ssc.readLongPosition(), dataIn, timeoutMs: this.#timeouts.shortMs };
    const failure = 'mediaPositionError';
    const outcome = await this.#connected(this.device.run(request), failure);
    if (outcome.sense?.key === SENSE_KEY.illegalRequest) return null;
    this.#check(outcome, { failure, what: 'reading the position', answers: isRemark });
    return ssc.parseLongPosition(outcome.data);
  }

  async erase(isLong: boolean): Promise<void> {
    const request = { cdb: ssc.erase(isLong), timeoutMs: this.#timeouts.eraseMs };
    await this.#expect(request, { failure: 'mediaWriteError', what: 'erasing', answers: isRemark });
  }

  async load(): Promise<void> {
    await this.#move(ssc.load(), 'loading');
  }

  /** `atEnd`: what some emulations need to let the cartridge go. */
  async unload(atEnd: boolean): Promise<void> {
    await this.#move(atEnd ? ssc.unloadAtEnd() : ssc.unload(), 'unloading');
  }

  #move(cdb: Buffer, what: string): Promise<DeviceOutcome> {
    const request = { cdb, timeoutMs: this.#timeouts.moveMs };
    return this.#expect(request, { failure: 'mediaPositionError', what, answers: isEnd });
  }

  async #expect(request: DeviceRequest, expectation: Expectation): Promise<DeviceOutcome> {
    const outcome = await this.#connected(this.device.run(request), expectation.failure);
    this.#check(outcome, expectation);
    return outcome;
  }

  /** Whatever the transport says: the nexus, and with it the position, may be gone. */
  async #connected<T>(promise: Promise<T>, failure?: StatusName): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      if (!(error instanceof IscsiError)) throw error;
      this.#onDisturbance('positionLost');
      throw toStatusError(error, failure);
    }
  }

  #check({ status, sense }: DeviceOutcome, expectation: Expectation): void {
    if (status === SCSI_STATUS.good || status === SCSI_STATUS.conditionMet) return;
    if (sense && expectation.answers(sense)) return;
    throw this.#failure(status, sense, expectation);
  }

  #failure(status: number, sense: Sense | null, { failure, what }: Expectation): StatusError {
    const isTakenOver = sense?.key === SENSE_KEY.unitAttention && PREEMPTED.has(sense.code);
    if (status === SCSI_STATUS.reservationConflict || isTakenOver) {
      this.#onDisturbance('fenced');
      return new StatusError('staleGrant', 'another owner has the drive');
    }
    const why = sense ? describeSense(sense) : `the drive answers with status ${status}`;
    const context = { what };
    if (sense?.key === SENSE_KEY.notReady) {
      this.#onDisturbance('positionLost');
      return new StatusError('driveNotReady', `the drive is not ready: ${why}`, context);
    }
    if (sense?.key === SENSE_KEY.dataProtect) {
      return new StatusError('writeProtected', `${what} is refused: ${why}`, context);
    }
    if (sense?.key === SENSE_KEY.illegalRequest && sense.code === 0x2000) {
      return new StatusError('notImplemented', `the drive does not know the command: ${what}`);
    }
    this.#onDisturbance('positionLost');
    return new StatusError(failure, `${what} failed: ${why}`, context);
  }
}
