// Drives, robots and connections in memory, behind the ports: the smallest devices that behave as the
// ports promise, for tests of everything above them.

import type { NdmpAddress } from './addresses.ts';
import { ADDR_TYPE, NDMP_ERROR, TAPE_MTIO } from './constants.ts';
import type {
  ByteStream,
  CdbOutcome,
  Outcome,
  ScsiDevice,
  ScsiPort,
  StreamListener,
  StreamPort,
  TapeDrive,
  TapePort,
  TapeStatus,
} from './server-ports.ts';
import type { DeviceInfo } from './structures.ts';

const OK = NDMP_ERROR.noError;

/** A tape: records and filemarks in order. */
export class MemoryTape {
  readonly items: (Buffer | 'mark')[] = [];
  /** Bytes after which the drive gives its early warning, once a loading. */
  warnAtBytes = Number.POSITIVE_INFINITY;
  endAtBytes = Number.POSITIVE_INFINITY;

  get sizeBytes(): number {
    return this.items.reduce((sum, item) => sum + (item === 'mark' ? 0 : item.length), 0);
  }

  /** The data between two filemarks. */
  fileBytes(index: number): Buffer {
    const files: Buffer[][] = [[]];
    for (const item of this.items) {
      if (item === 'mark') files.push([]);
      else files.at(-1)?.push(item);
    }
    return Buffer.concat(files[index] ?? []);
  }
}

const CDB_DONE: CdbOutcome = {
  error: OK,
  status: 0,
  dataOutLength: 0,
  dataIn: Buffer.alloc(0),
  sense: Buffer.alloc(0),
};

export class MemoryDrive implements TapeDrive {
  tape: MemoryTape;
  /** The next call of this kind fails with this error. */
  fault: { call: 'read' | 'write' | 'space' | 'close'; error: number } | undefined;
  position = 0;
  closed: 'flush' | 'discard' | undefined;
  #warned = false;

  constructor(tape: MemoryTape) {
    this.tape = tape;
  }

  load(tape: MemoryTape): void {
    this.tape = tape;
    this.position = 0;
    this.#warned = false;
  }

  async status(): Promise<TapeStatus> {
    const before = this.tape.items.slice(0, this.position);
    const lastMark = before.lastIndexOf('mark');
    return {
      ...{ unsupported: 0, flags: 0, softErrors: 0, blockSize: 0, totalSpace: 0n, spaceRemain: 0n },
      fileNumber: before.filter((item) => item === 'mark').length,
      blockNumber: this.position - (lastMark + 1),
    };
  }

  async write(data: Buffer): Promise<Outcome & { count: number }> {
    const fault = this.#takeFault('write');
    if (fault !== undefined) return { error: fault, count: 0 };
    if (this.tape.sizeBytes + data.length > this.tape.endAtBytes) {
      return { error: NDMP_ERROR.io, count: 0 };
    }
    if (this.tape.sizeBytes >= this.tape.warnAtBytes && !this.#warned) {
      this.#warned = true;
      return { error: NDMP_ERROR.eom, count: 0 };
    }
    this.#put(Buffer.from(data));
    return { error: OK, count: data.length };
  }

  async read({ sizeBytes, crossing }: { sizeBytes: number; crossing: boolean }) {
    const none = Buffer.alloc(0);
    const fault = this.#takeFault('read');
    if (fault !== undefined) return { error: fault, data: none };
    const item = this.tape.items[this.position];
    if (item === undefined) return { error: NDMP_ERROR.eom, data: none };
    if (item === 'mark') {
      if (crossing) this.position += 1;
      return { error: NDMP_ERROR.eof, data: none };
    }
    this.position += 1;
    return { error: OK, data: Buffer.from(item.subarray(0, sizeBytes)) };
  }

  async space(order: { operation: number; count: number; crossing: boolean }) {
    const fault = this.#takeFault('space');
    if (fault !== undefined) return { error: fault, residualCount: order.count };
    const { operation, count } = order;
    if (operation === TAPE_MTIO.writeFilemarks) {
      for (let i = 0; i < count; i += 1) this.#put('mark');
      return { error: OK, residualCount: 0 };
    }
    if (operation === TAPE_MTIO.rewind) this.position = 0;
    let left = operation < TAPE_MTIO.rewind ? count : 0;
    while (left > 0 && this.#stepOver(operation)) left -= 1;
    return { error: OK, residualCount: left };
  }

  async executeCdb(): Promise<CdbOutcome> {
    return CDB_DONE;
  }

  async close(how: 'flush' | 'discard'): Promise<Outcome> {
    const fault = how === 'flush' ? this.#takeFault('close') : undefined;
    if (fault !== undefined) return { error: fault };
    this.closed = how;
    return { error: OK };
  }

  #put(item: Buffer | 'mark'): void {
    this.tape.items.length = this.position;
    this.tape.items.push(item);
    this.position += 1;
  }

  #takeFault(call: string): number | undefined {
    if (this.fault?.call !== call) return undefined;
    const { error } = this.fault;
    this.fault = undefined;
    return error;
  }

  /** One record or one filemark further; false at what stops the motion. */
  #stepOver(operation: number): boolean {
    const isForward =
      operation === TAPE_MTIO.forwardFiles || operation === TAPE_MTIO.forwardRecords;
    const isFiles = operation === TAPE_MTIO.forwardFiles || operation === TAPE_MTIO.backwardFiles;
    for (;;) {
      const item = this.tape.items[isForward ? this.position : this.position - 1];
      if (item === undefined) return false;
      if (item === 'mark' && !isFiles) return false;
      this.position += isForward ? 1 : -1;
      if (isFiles === (item === 'mark')) return true;
    }
  }
}

function infoOf(device: string): DeviceInfo {
  return { model: 'memory', capabilities: [{ device, attr: 0, capability: [] }] };
}

export class MemoryTapes implements TapePort {
  readonly drive: MemoryDrive;
  #isOpen = false;

  constructor(drive: MemoryDrive = new MemoryDrive(new MemoryTape())) {
    this.drive = drive;
  }

  async list(): Promise<DeviceInfo[]> {
    return [infoOf('nst0')];
  }

  async open(device: string) {
    if (device !== 'nst0') return { error: NDMP_ERROR.noDevice };
    if (this.#isOpen && this.drive.closed === undefined) return { error: NDMP_ERROR.deviceBusy };
    this.#isOpen = true;
    this.drive.closed = undefined;
    return { error: OK, drive: this.drive };
  }
}

export class MemoryRobots implements ScsiPort {
  closes = 0;

  async list(): Promise<DeviceInfo[]> {
    return [infoOf('mc0')];
  }

  async open(name: string) {
    if (name !== 'mc0') return { error: NDMP_ERROR.noDevice };
    const device: ScsiDevice = {
      target: async () => ({ error: OK, controller: 0, id: 3, lun: 1 }),
      setTarget: async () => ({ error: NDMP_ERROR.notSupported }),
      resetDevice: async () => ({ error: OK }),
      resetBus: async () => ({ error: NDMP_ERROR.notSupported }),
      executeCdb: async () => CDB_DONE,
      close: async () => {
        this.closes += 1;
      },
    };
    return { error: OK, device };
  }
}

/** One end of a connection in memory; what is written at one end is read at the other. */
export class MemoryStream implements ByteStream {
  peer: MemoryStream | undefined;
  readonly peerEnd: Promise<'closed' | 'broken'>;
  #tellEnd: (how: 'closed' | 'broken') => void = () => {};
  #chunks: Buffer[] = [];
  #ended: 'closed' | 'broken' | undefined;
  #wake: (() => void) | undefined;

  constructor() {
    this.peerEnd = new Promise((resolve) => {
      this.#tellEnd = resolve;
    });
  }

  static pair(): [MemoryStream, MemoryStream] {
    const ends: [MemoryStream, MemoryStream] = [new MemoryStream(), new MemoryStream()];
    ends[0].peer = ends[1];
    ends[1].peer = ends[0];
    return ends;
  }

  async read(sizeBytesMax: number): Promise<Buffer | undefined> {
    while (this.#chunks.length === 0) {
      if (this.#ended === 'closed') return undefined;
      if (this.#ended === 'broken') throw new Error('the connection broke');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const [first = Buffer.alloc(0), ...rest] = this.#chunks;
    const part = first.subarray(0, sizeBytesMax);
    this.#chunks = part.length < first.length ? [first.subarray(part.length), ...rest] : rest;
    return part;
  }

  /** Everything up to the end of the stream, or up to `sizeBytes`. */
  async readAll(sizeBytes = Number.POSITIVE_INFINITY): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let have = 0; have < sizeBytes; ) {
      const part = await this.read(sizeBytes - have);
      if (part === undefined) break;
      parts.push(part);
      have += part.length;
    }
    return Buffer.concat(parts);
  }

  async write(bytes: Buffer): Promise<void> {
    if (this.peer === undefined || this.#ended !== undefined) throw new Error('nobody reads');
    this.peer.#take(Buffer.from(bytes));
  }

  async end(): Promise<void> {
    this.#leave('closed');
  }

  destroy(): void {
    this.#leave('broken');
  }

  #take(bytes: Buffer): void {
    this.#chunks.push(bytes);
    this.#wake?.();
  }

  #leave(how: 'closed' | 'broken'): void {
    const { peer } = this;
    this.peer = undefined;
    if (peer !== undefined) peer.#hear(how);
    this.#hear('broken');
  }

  #hear(how: 'closed' | 'broken'): void {
    if (this.#ended !== undefined) return;
    this.#ended = how;
    this.#tellEnd(how);
    this.#wake?.();
  }
}

export const MEMORY_ADDRESS: NdmpAddress = {
  type: 'tcp',
  endpoints: [{ host: '127.0.0.1', port: 9, env: [] }],
};

/** Connections between the mover and whoever a test lets call or answer. */
export class MemoryStreams implements StreamPort {
  /** The other end of the last connection that was dialled. */
  dialled: MemoryStream | undefined;
  canListen = true;
  canDial = true;
  #accept: ((stream: MemoryStream) => void) | undefined;
  #reject: ((error: Error) => void) | undefined;

  async listen(addressType: number): Promise<Outcome & { listener?: StreamListener }> {
    if (!this.canListen) return { error: NDMP_ERROR.connect };
    const address: NdmpAddress =
      addressType === ADDR_TYPE.local ? { type: 'local' } : MEMORY_ADDRESS;
    const accepted = new Promise<MemoryStream>((resolve, reject) => {
      this.#accept = resolve;
      this.#reject = reject;
    }).then((stream) => ({ stream, peer: address }));
    const close = (): void => this.fail();
    return { error: OK, listener: { address, accepted, close } };
  }

  async dial(address: NdmpAddress) {
    if (!this.canDial) return { error: NDMP_ERROR.connect };
    const [mine, theirs] = MemoryStream.pair();
    this.dialled = theirs;
    return { error: OK, stream: mine, peer: address };
  }

  /** Connects to the mover's listener. */
  call(): MemoryStream {
    const [mine, theirs] = MemoryStream.pair();
    this.#accept?.(theirs);
    return mine;
  }

  fail(): void {
    this.#reject?.(new Error('the listener is gone'));
  }
}
