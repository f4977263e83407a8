// A drive held by a persistent reservation (SPC): the key is the owner's epoch, so that a higher one takes over and a lower
// one is turned away by the device itself, whatever becomes of the processes.

import { StatusError } from '@tapestry/status';
import type { DriveOwner } from '@tapestry/storage';
import { IscsiError, toStatusError } from '../iscsi-error.ts';
import type { DeviceOutcome, ScsiDevice } from '../scsi/scsi-device.ts';
import { SENSE_KEY } from '../scsi/sense.ts';
import { SCSI_STATUS } from '../scsi/transport.ts';

/** The upper two bytes of our keys: others are of programs whose epochs we know nothing of. */
const MARK = 0x5459n << 48n;
const EPOCH_MAX = (1n << 48n) - 1n;
const READ_KEYS = 0;
const READ_RESERVATION = 1;
const SERVICE = {
  register: 0,
  reserve: 1,
  release: 2,
  preemptAndAbort: 5,
  registerAnyway: 6,
} as const;
const EXCLUSIVE_ACCESS = 3;
const REPLY_BYTES = 1024;
const SURVIVES_POWER_LOSS = 1;

function isOurs(key: bigint): boolean {
  return (key & ~EPOCH_MAX) === MARK;
}

export class Reservation {
  readonly #device: ScsiDevice;
  #key: bigint;
  readonly #isHeir: boolean;
  readonly #timeoutMs: number;
  #isHeld = false;

  /** `owner` null: all that held it are known to be gone, and what the last of them left here is taken over. */
  constructor(device: ScsiDevice, owner: DriveOwner | null, timeoutMs: number) {
    this.#device = device;
    const epoch = owner?.epoch ?? 0n;
    if (epoch < 0n || epoch > EPOCH_MAX) {
      throw new StatusError('invalidParameter', `an epoch of ${epoch}`);
    }
    this.#key = MARK | epoch;
    this.#isHeir = owner === null;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * False when the drive knows no persistent reservations: then nothing but the caller's lease keeps others away. Throws
   * `staleGrant` for an owner that comes too late, `mediaInUse` for one that the drive does not let in.
   */
  async take(): Promise<boolean> {
    const holder = await this.#in(READ_RESERVATION);
    if (holder === null) return false;
    if (holder.some((key) => !isOurs(key))) {
      throw new StatusError('mediaInUse', 'another program has the drive');
    }
    const keys = ((await this.#in(READ_KEYS)) ?? []).filter(isOurs);
    const later = keys.filter((key) => key > this.#key).sort((a, b) => (a < b ? -1 : 1));
    if (this.#isHeir) this.#key = later.at(-1) ?? this.#key;
    else if (later.length > 0) {
      throw new StatusError('staleGrant', 'a later owner has the drive');
    }
    await this.#register();
    const [old] = holder;
    if (old !== undefined && old < this.#key)
      await this.#out(SERVICE.preemptAndAbort, this.#key, old);
    else await this.#out(SERVICE.reserve, this.#key, 0n);
    // Registrations of those before are of no more use, and would be counted against the next.
    for (const key of keys) {
      if (key < this.#key && key !== old) await this.#out(SERVICE.preemptAndAbort, this.#key, key);
    }
    this.#isHeld = true;
    return true;
  }

  /** Gives it back; what fails here was taken by another owner, or goes with the nexus. */
  async release(): Promise<void> {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    await this.#out(SERVICE.release, this.#key, 0n);
    await this.#out(SERVICE.register, this.#key, 0n);
  }

  async #register(): Promise<void> {
    const isRegistered = await this.#send(
      SERVICE.registerAnyway,
      0n,
      this.#key,
      SURVIVES_POWER_LOSS,
    );
    if (!isRegistered) await this.#out(SERVICE.registerAnyway, 0n, this.#key);
  }

  /** Keys, or the reservation's key; null when the drive has no such thing. */
  async #in(action: number): Promise<bigint[] | null> {
    const cdb = Buffer.alloc(10);
    cdb[0] = 0x5e;
    cdb[1] = action;
    cdb.writeUInt16BE(REPLY_BYTES, 7);
    const dataIn = Buffer.alloc(REPLY_BYTES);
    const outcome = await this.#run({ cdb, dataIn });
    if (outcome.sense?.key === SENSE_KEY.illegalRequest) return null;
    this.#check(outcome);
    const { data } = outcome;
    if (data.length < 8) return [];
    const end = Math.min(data.length, 8 + data.readUInt32BE(4));
    const keys: bigint[] = [];
    const step = action === READ_KEYS ? 8 : 16;
    for (let at = 8; at + step <= end; at += step) keys.push(data.readBigUInt64BE(at));
    return keys;
  }

  async #out(action: number, key: bigint, other: bigint): Promise<void> {
    if (!(await this.#send(action, key, other, 0))) {
      throw new StatusError('mediaInUse', 'the drive refuses a reservation');
    }
  }

  async #send(action: number, key: bigint, other: bigint, flags: number): Promise<boolean> {
    const cdb = Buffer.alloc(10);
    cdb[0] = 0x5f;
    cdb[1] = action;
    cdb[2] = EXCLUSIVE_ACCESS;
    cdb.writeUInt32BE(24, 5);
    const list = Buffer.alloc(24);
    list.writeBigUInt64BE(key, 0);
    list.writeBigUInt64BE(other, 8);
    list[20] = flags;
    const outcome = await this.#run({ cdb, dataOut: [list] });
    if (outcome.sense?.key === SENSE_KEY.illegalRequest) return false;
    this.#check(outcome);
    return true;
  }

  async #run(request: {
    cdb: Buffer;
    dataIn?: Buffer;
    dataOut?: Buffer[];
  }): Promise<DeviceOutcome> {
    try {
      return await this.#device.run({ ...request, timeoutMs: this.#timeoutMs, isHarmless: true });
    } catch (error) {
      throw error instanceof IscsiError ? toStatusError(error, 'mediaOpenError') : error;
    }
  }

  #check({ status }: DeviceOutcome): void {
    if (status === SCSI_STATUS.reservationConflict) {
      throw new StatusError('mediaInUse', 'another owner has the drive');
    }
    if (status !== SCSI_STATUS.good) {
      throw new StatusError('mediaOpenError', `reserving the drive failed with status ${status}`);
    }
  }
}
