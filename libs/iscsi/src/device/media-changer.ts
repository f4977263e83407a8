// The Library port over a SCSI media changer. The changer's own word is asked before and after every move; what it cannot
// be asked (who holds a drive) is the drives' affair.

import { setTimeout as pause } from 'node:timers/promises';
import { StatusError, type StatusName } from '@tapestry/status';
import type { ElementType, Library, LibraryElement, LibraryIdentity } from '@tapestry/storage';
import { IscsiError, toStatusError } from '../iscsi-error.ts';
import { type DeviceOutcome, type DeviceRequest, ScsiDevice } from '../scsi/scsi-device.ts';
import { describeSense, SENSE_KEY, type Sense } from '../scsi/sense.ts';
import * as smc from '../scsi/smc.ts';
import * as spc from '../scsi/spc.ts';
import { SCSI_STATUS, type ScsiTransport } from '../scsi/transport.ts';

export interface ChangerTimeouts {
  readonly shortMs: number;
  readonly moveMs: number;
  readonly rescanMs: number;
  /** How long a changer may take to become ready: it looks at every element after its power came back. */
  readonly readyMs: number;
}

const TIMEOUTS: ChangerTimeouts = {
  shortMs: 60_000,
  moveMs: 10 * 60_000,
  rescanMs: 30 * 60_000,
  readyMs: 10 * 60_000,
};

export interface MediaChangerOptions {
  readonly transport: ScsiTransport;
  readonly timeouts?: Partial<ChangerTimeouts>;
  /** Called once, when the library is given up: to end the session that carries the transport. */
  readonly onClose?: () => Promise<void>;
}

const TYPES: readonly (readonly [ElementType, keyof smc.ElementAddresses, number])[] = [
  ['robot', 'transport', smc.ELEMENT_TYPE.transport],
  ['slot', 'storage', smc.ELEMENT_TYPE.storage],
  ['importExport', 'importExport', smc.ELEMENT_TYPE.importExport],
  ['drive', 'drive', smc.ELEMENT_TYPE.drive],
];
const ELEMENTS_A_QUERY = 256;
const BYTES_AN_ELEMENT = 160;
const MODE_BYTES = 255;
const READY_PAUSE_MS = 1_000;
const MOVE_ATTEMPTS = 3;
const MEDIA: Readonly<Record<number, 'data' | 'cleaning' | 'worm'>> = {
  1: 'data',
  2: 'cleaning',
  4: 'worm',
};
const IN_USE = new Set([0x5302, 0x3b90, 0x0403]);
const NO_ELEMENT = new Set([0x2101, 0x2400]);
const BECOMING_READY = 0x0401;
const DESTINATION_FULL = 0x3b0d;
const SOURCE_EMPTY = 0x3b0e;

/**
 * Throws `robotMissing` when the changer cannot be reached, `invalidParameter` when the unit is none. `move` knows no
 * fence: a drive that its owner holds refuses (97) until a later owner has opened it.
 */
export async function openMediaChanger(options: MediaChangerOptions): Promise<Library> {
  const changer = new MediaChanger(options);
  try {
    await changer.identity();
    return changer;
  } catch (error) {
    await options.onClose?.();
    throw error;
  }
}

class MediaChanger implements Library {
  readonly #device: ScsiDevice;
  readonly #timeouts: ChangerTimeouts;
  readonly #onClose: () => Promise<void>;
  #isClosed = false;

  constructor({ transport, timeouts, onClose }: MediaChangerOptions) {
    // What a unit attention tells here is found out anyway: nothing is kept between calls.
    this.#device = new ScsiDevice(transport, () => {});
    this.#timeouts = { ...TIMEOUTS, ...timeouts };
    this.#onClose = onClose ?? (async () => {});
  }

  async identity(): Promise<LibraryIdentity> {
    const inquiry = spc.parseInquiry(await this.#query(spc.inquiry(), spc.INQUIRY_BYTES));
    if (inquiry.deviceType !== spc.DEVICE_TYPE.changer) {
      const detail = `the unit is no media changer but of type ${inquiry.deviceType}`;
      throw new StatusError('invalidParameter', detail);
    }
    const page = spc.inquiryPage(spc.VPD.unitSerial);
    const serial = spc.parseUnitSerial(await this.#query(page, spc.VPD_BYTES));
    return { vendor: inquiry.vendor, product: inquiry.product, serial };
  }

  async inventory(): Promise<readonly LibraryElement[]> {
    const addresses = await this.#addresses();
    const elements: LibraryElement[] = [];
    for (const [type, key, code] of TYPES) {
      elements.push(...(await this.#elements(type, code, addresses[key])));
    }
    return elements.sort((a, b) => a.address - b.address);
  }

  async rescan(): Promise<readonly LibraryElement[]> {
    const cdb = smc.initializeElementStatus();
    const timeoutMs = this.#timeouts.rescanMs;
    this.#check(await this.#run({ cdb, timeoutMs, isHarmless: true }), 'looking at every element');
    return this.inventory();
  }

  async move(fromAddress: number, toAddress: number): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const robot = await this.#checkMove(fromAddress, toAddress);
      const isMade = await this.#tryMove({ transport: robot, from: fromAddress, to: toAddress });
      if (isMade) return;
      if (attempt === MOVE_ATTEMPTS) {
        throw new StatusError('robotMissing', 'the changer is disturbed again and again');
      }
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#onClose();
  }

  /** Whether the move can be made; answers the robot that makes it. */
  async #checkMove(fromAddress: number, toAddress: number): Promise<number> {
    const elements = await this.inventory();
    const at = (address: number): LibraryElement => {
      const found = elements.find((each) => each.address === address && each.type !== 'robot');
      if (found) return found;
      throw new StatusError('invalidParameter', `the library has no element ${address} to move to`);
    };
    const from = at(fromAddress);
    const to = at(toAddress);
    if (!from.full) throw new StatusError('slotEmpty', `element ${fromAddress} is empty`);
    if (to.full) throw new StatusError('notMountable', `element ${toAddress} is full`);
    return elements.find((each) => each.type === 'robot')?.address ?? 0;
  }

  /** False when the changer was disturbed before it began, and the elements are to be looked at again. */
  async #tryMove(move: { transport: number; from: number; to: number }): Promise<boolean> {
    const request = { cdb: smc.moveMedium(move), timeoutMs: this.#timeouts.moveMs };
    let outcome: DeviceOutcome;
    try {
      outcome = await this.#whenReady(request);
    } catch (error) {
      if (!(error instanceof IscsiError)) throw error;
      return this.#afterLoss(move, error);
    }
    if (outcome.sense?.key === SENSE_KEY.unitAttention) return false;
    this.#check(outcome, `moving from ${move.from} to ${move.to}`);
    return true;
  }

  /** The answer to a move was lost: the elements tell whether it was made. */
  async #afterLoss(
    { from, to }: { from: number; to: number },
    error: IscsiError,
  ): Promise<boolean> {
    if (!error.mayHaveTakenEffect) return false;
    const elements = await this.inventory();
    const isFull = (address: number): boolean | undefined =>
      elements.find((each) => each.address === address)?.full;
    if (isFull(to) && !isFull(from)) return true;
    if (isFull(from) && !isFull(to)) return false;
    throw new StatusError('notMountable', `the cartridge is neither in ${from} nor in ${to}`);
  }

  async #addresses(): Promise<smc.ElementAddresses> {
    const data = await this.#query(spc.modeSense(smc.ELEMENT_ADDRESS_PAGE, MODE_BYTES), MODE_BYTES);
    const addresses = smc.parseElementAddresses(spc.parseModeParameters(data).page);
    if (addresses) return addresses;
    throw new StatusError(
      'robotMissing',
      'the changer does not tell the addresses of its elements',
    );
  }

  /** One type at a time and few at once: many changers answer everything else wrong. */
  async #elements(
    type: ElementType,
    code: number,
    { first, count }: smc.AddressRange,
  ): Promise<LibraryElement[]> {
    const found = new Map<number, smc.ElementStatus>();
    const end = first + count;
    for (let at = first; at < end; ) {
      const range = { first: at, count: Math.min(ELEMENTS_A_QUERY, end - at) };
      const before = at;
      for (const element of await this.#status(code, range)) {
        const isMeant = element.type === code && element.address >= at && element.address < end;
        if (isMeant) found.set(element.address, element);
      }
      at = Math.max(before, ...found.keys()) + 1;
      if (!found.has(at - 1)) break;
    }
    return [...found.values()]
      .sort((a, b) => a.address - b.address)
      .map((element, index) => toLibraryElement(element, type, index));
  }

  async #status(type: number, range: smc.AddressRange): Promise<smc.ElementStatus[]> {
    const allocationBytes = 256 + range.count * BYTES_AN_ELEMENT;
    const wantsSerials = type === smc.ELEMENT_TYPE.drive;
    for (const identifiers of wantsSerials ? [true, false] : [false]) {
      const cdb = smc.readElementStatus({ type, range, identifiers, allocationBytes });
      const dataIn = Buffer.alloc(allocationBytes);
      const timeoutMs = this.#timeouts.shortMs;
      const outcome = await this.#run({ cdb, dataIn, timeoutMs, isHarmless: true });
      const isRefused = outcome.sense?.key === SENSE_KEY.illegalRequest;
      if (isRefused && identifiers) continue;
      this.#check(outcome, 'reading the state of the elements');
      return smc.parseElementStatus(outcome.data);
    }
    return [];
  }

  async #query(cdb: Buffer, replyBytes: number): Promise<Buffer> {
    const dataIn = Buffer.alloc(replyBytes);
    const timeoutMs = this.#timeouts.shortMs;
    const outcome = await this.#run({ cdb, dataIn, timeoutMs, isHarmless: true });
    this.#check(outcome, 'asking the changer');
    return outcome.data;
  }

  async #run(request: DeviceRequest): Promise<DeviceOutcome> {
    try {
      return await this.#whenReady(request);
    } catch (error) {
      throw error instanceof IscsiError ? toStatusError(error, 'robotMissing') : error;
    }
  }

  async #whenReady(request: DeviceRequest): Promise<DeviceOutcome> {
    if (this.#isClosed) throw new StatusError('robotMissing', 'the library was closed');
    if (this.#device.isDetached) await this.#device.attach(this.#timeouts.shortMs);
    const untilMs = performance.now() + this.#timeouts.readyMs;
    for (;;) {
      const outcome = await this.#device.run(request);
      const { sense } = outcome;
      const isComing = sense?.key === SENSE_KEY.notReady && sense.code === BECOMING_READY;
      if (!isComing || performance.now() > untilMs) return outcome;
      await pause(READY_PAUSE_MS);
    }
  }

  #check({ status, sense }: DeviceOutcome, what: string): void {
    if (status === SCSI_STATUS.good) return;
    const isRemark = sense?.key === SENSE_KEY.noSense || sense?.key === SENSE_KEY.recovered;
    if (isRemark) return;
    const why = sense ? describeSense(sense) : `status ${status}`;
    throw new StatusError(sense ? statusOf(sense) : 'robotMissing', `${what} failed: ${why}`);
  }
}

function statusOf({ key, code }: Sense): StatusName {
  if (code === DESTINATION_FULL) return 'notMountable';
  if (code === SOURCE_EMPTY) return 'slotEmpty';
  if (key !== SENSE_KEY.notReady && IN_USE.has(code)) return 'mediaInUse';
  if (key === SENSE_KEY.illegalRequest && NO_ELEMENT.has(code)) return 'invalidParameter';
  // A door that is open, a hand that is jammed: nothing moves until somebody has looked.
  const isDown = key === SENSE_KEY.notReady || key === SENSE_KEY.hardwareError;
  return isDown ? 'robotDown' : 'notMountable';
}

function toLibraryElement(
  element: smc.ElementStatus,
  type: ElementType,
  index: number,
): LibraryElement {
  const { address, full, volumeTag, sourceAddress, serial } = element;
  const medium = full ? MEDIA[element.mediumType] : null;
  return {
    address,
    type,
    index,
    full,
    barcode: volumeTag === '' ? null : volumeTag,
    sourceAddress: full ? sourceAddress : null,
    // Its own word, ACCESS, says whether a cartridge was ejected, not whether somebody has the drive open. Who does, has
    // prevented the removal: the move is refused.
    accessible: true,
    driveSerial: type === 'drive' && serial !== '' ? serial : null,
    ...(medium === undefined ? {} : { medium }),
  };
}
