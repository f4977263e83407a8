// A tape drive in memory as SSC describes one, for what no free target does: positions, early warning and the end of the
// medium, protection, unit attentions, reservations. Each initiator port is a nexus of its own.

import { EmulatedReservations } from './emulated-reservations.ts';
import type { DeviceAnswer, DeviceCommand } from './scripted-target.ts';

export interface EmulatedTapeOptions {
  readonly capacityBytes?: number;
  readonly earlyWarningBytes?: number;
  readonly writeProtected?: boolean;
  readonly worm?: boolean;
  readonly barcode?: string;
  readonly persistentReservations?: boolean;
  /** A simple emulation: no positions, no LOCATE, SPACE passes filemarks, a READ of another length gives other data. */
  readonly isSimple?: boolean;
  /** A READ of another length says nothing of it: a long block is cut. */
  readonly isSilent?: boolean;
}

type TapeRecord = Buffer | 'mark';
const MIB = 1024 * 1024;
const BLOCK_MAX = 8 * MIB;

export function sense(
  key: number,
  code: number,
  { flags = 0, information }: { flags?: number; information?: number } = {},
): DeviceAnswer {
  const bytes = Buffer.alloc(18);
  bytes[0] = information === undefined ? 0x70 : 0xf0;
  bytes[2] = flags | key;
  if (information !== undefined) bytes.writeInt32BE(information, 3);
  bytes[7] = 10;
  bytes.writeUInt16BE(code, 12);
  return { status: 2, sense: bytes };
}

const FILEMARK = 0x80;
const EOM = 0x40;
const ILI = 0x20;

export class EmulatedTape {
  readonly options: EmulatedTapeOptions;
  records: TapeRecord[] = [];
  at = 0;
  isLoaded = true;
  isRemovalPrevented = false;
  /** A cartridge that is in but not loaded says so. */
  needsLoad = false;
  /** Asks to be cleaned. */
  isDirty = false;
  /** TapeAlert flags that were not read yet. */
  alerts: number[] = [];
  /** Answers the next command with this opcode, instead of carrying it out. */
  readonly planned: { opcode: number; answer: DeviceAnswer | 'silent' }[] = [];
  readonly seen: string[] = [];
  readonly #attentions = new Map<string, DeviceAnswer[]>();
  readonly #reservations: EmulatedReservations | null;

  constructor(options: EmulatedTapeOptions = {}) {
    this.options = options;
    this.#reservations =
      options.persistentReservations === false
        ? null
        : new EmulatedReservations((nexus, code) => this.attend(nexus, code));
  }

  /** The nexus comes up: what it hears first. */
  connect(nexus: string): void {
    this.#attentions.set(nexus, [sense(6, 0x2900)]);
  }

  attend(nexus: string, code: number): void {
    this.#attentions.get(nexus)?.push(sense(6, code));
  }

  /** Another cartridge, for every nexus. */
  exchange(records: TapeRecord[]): void {
    this.records = records;
    this.at = 0;
    this.isLoaded = true;
    for (const nexus of this.#attentions.keys()) this.attend(nexus, 0x2800);
  }

  execute({ cdb, dataOut }: DeviceCommand, nexus: string): DeviceAnswer | 'silent' {
    const opcode = cdb[0] ?? 0;
    this.seen.push(opcode.toString(16).padStart(2, '0'));
    const planned = this.planned.findIndex((each) => each.opcode === opcode);
    if (planned >= 0) return this.planned.splice(planned, 1)[0]?.answer ?? {};
    if (opcode === 0x12) return { data: this.#inquiry(cdb) };
    const attention = this.#attentions.get(nexus)?.shift();
    if (attention) return attention;
    if (opcode === 0x5e || opcode === 0x5f) {
      return this.#reservations?.execute(cdb, dataOut, nexus) ?? sense(5, 0x2000);
    }
    if (this.#reservations?.shutsOut(nexus)) return { status: 0x18 };
    return this.#withMedium(cdb, dataOut);
  }

  #withMedium(cdb: Buffer, dataOut: Buffer): DeviceAnswer {
    const opcode = cdb[0] ?? 0;
    if (opcode === 0x05) return { data: Buffer.from([0, BLOCK_MAX >> 16, 0, 0, 0, 1]) };
    if (opcode === 0x1e) {
      this.isRemovalPrevented = cdb[4] === 1;
      return {};
    }
    if (opcode === 0x1a) return this.#modeSense(cdb[2] ?? 0);
    if (opcode === 0x15) return {};
    if (!this.isLoaded && opcode === 0x1b) return this.#other(cdb);
    if (!this.isLoaded) return sense(2, this.needsLoad ? 0x0402 : 0x3a00);
    if (this.options.isSimple && opcode === 0x34) {
      return { data: Buffer.concat([Buffer.of(0x20), Buffer.alloc(31)]) };
    }
    if (this.options.isSimple && [0x2b, 0x4d, 0x8c, 0x92].includes(opcode)) {
      return sense(5, 0x2000);
    }
    if (opcode === 0x08) return this.#read(cdb.readUIntBE(2, 3));
    if (opcode === 0x0a) return this.#write(dataOut);
    if (opcode === 0x10) return this.#filemarks(cdb.readUIntBE(2, 3));
    if (opcode === 0x11) return this.#space(cdb[1] ?? 0, cdb.readIntBE(2, 3));
    return this.#other(cdb);
  }

  #other(cdb: Buffer): DeviceAnswer {
    switch (cdb[0]) {
      case 0x00:
        return {};
      case 0x01:
        this.at = 0;
        return {};
      case 0x19:
        return this.#protection() ?? this.#cut();
      case 0x1b:
        this.isLoaded = ((cdb[4] ?? 0) & 1) === 1;
        this.at = 0;
        return {};
      case 0x2b:
        return this.#locate(cdb.readUInt32BE(3));
      case 0x34:
        return { data: this.#position() };
      case 0x4d:
        return this.#log(cdb[2] ?? 0);
      case 0x8c:
        return { data: this.#attribute() };
      default:
        return sense(5, 0x2000);
    }
  }

  #inquiry(cdb: Buffer): Buffer {
    if (cdb[1] === 1)
      return Buffer.concat([Buffer.from([1, cdb[2] ?? 0, 0, 12]), Buffer.from('    SERIAL01')]);
    const data = Buffer.alloc(36, 0x20);
    data[0] = 1;
    data[1] = 0x80;
    data.write('TAPESTRY', 8);
    data.write('EMULATED', 16);
    return data;
  }

  #modeSense(page: number): DeviceAnswer {
    const flags = (this.options.writeProtected ? 0x80 : 0) | 0x10;
    const header = Buffer.from([0, 0, flags, 8, 0x5a, 0, 0, 0, 0, 0, 0, 0]);
    const pages: Record<number, Buffer> = {
      16: Buffer.concat([Buffer.from([0x10, 14]), Buffer.alloc(14)]),
      29: Buffer.from([0x1d, 6, this.options.worm ? 1 : 0, 0, 0, 0, 0, 0]),
    };
    const body = pages[page];
    return body ? { data: Buffer.concat([header, body]) } : sense(5, 0x2400);
  }

  get #used(): number {
    return bytesOf(this.records.slice(0, this.at));
  }

  #read(asked: number): DeviceAnswer {
    const record = this.records[this.at];
    if (record === undefined) return sense(8, 0x0005);
    this.at += 1;
    if (record === 'mark') return sense(0, 0x0001, { flags: FILEMARK, information: asked });
    if (record.length === asked) return { data: record };
    if (this.options.isSilent) return { data: record.subarray(0, asked) };
    const answer = sense(0, 0, { flags: ILI, information: asked - record.length });
    if (!this.options.isSimple) return { ...answer, data: record.subarray(0, asked) };
    // It takes the residual for the length.
    const memory = Buffer.concat([record, Buffer.alloc(asked, 0xdb)]);
    return { ...answer, data: memory.subarray(0, Math.max(0, asked - record.length)) };
  }

  #protection(): DeviceAnswer | undefined {
    if (this.options.writeProtected) return sense(7, 0x2700);
    if (this.options.worm && this.at < this.records.length) return sense(7, 0x300c);
    return undefined;
  }

  #cut(): DeviceAnswer {
    this.records.length = this.at;
    return {};
  }

  #write(data: Buffer): DeviceAnswer {
    const refused = this.#protection();
    if (refused) return refused;
    const { capacityBytes = 64 * MIB } = this.options;
    if (this.#used + bytesOf([data]) > capacityBytes) {
      return sense(0xd, 0x0002, { flags: EOM, information: data.length });
    }
    this.#cut();
    this.records.push(Buffer.from(data));
    this.at += 1;
    return this.#warning();
  }

  #filemarks(count: number): DeviceAnswer {
    if (count === 0) return {};
    const refused = this.#protection();
    if (refused) return refused;
    this.#cut();
    for (let i = 0; i < count; i++) this.records.push('mark');
    this.at += count;
    return this.#warning();
  }

  #warning(): DeviceAnswer {
    const { capacityBytes = 64 * MIB, earlyWarningBytes = MIB } = this.options;
    const isNear = this.#used >= capacityBytes - earlyWarningBytes;
    return isNear ? sense(0, 0x0002, { flags: EOM, information: 0 }) : {};
  }

  #space(code: number, count: number): DeviceAnswer {
    if (code === 3) {
      this.at = this.records.length;
      return {};
    }
    const step = Math.sign(count);
    for (let left = Math.abs(count); left > 0; ) {
      const record = this.records[step > 0 ? this.at : this.at - 1];
      if (record === undefined) {
        return step > 0
          ? sense(this.options.isSimple ? 0 : 8, 0x0005, { information: left })
          : sense(0, 0x0004, { flags: EOM, information: left });
      }
      this.at += step;
      const isMark = record === 'mark';
      if (code === 0 && isMark && !this.options.isSimple)
        return sense(0, 0x0001, { flags: FILEMARK, information: left });
      if (code === 0 || isMark) left -= 1;
    }
    return {};
  }

  #locate(object: number): DeviceAnswer {
    this.at = Math.min(object, this.records.length);
    return object > this.records.length ? sense(8, 0x0005) : {};
  }

  #position(): Buffer {
    const data = Buffer.alloc(32);
    data[0] = this.at === 0 ? 0x80 : 0;
    data.writeBigUInt64BE(BigInt(this.at), 8);
    const marks = this.records.slice(0, this.at).filter((each) => each === 'mark').length;
    data.writeBigUInt64BE(BigInt(marks), 16);
    return data;
  }

  #log(page: number): DeviceAnswer {
    if ((page & 0x3f) === 0x0c) return { data: logPage(0x0c, [[0x0100, this.isDirty ? 1 : 0]]) };
    if ((page & 0x3f) === 0x2e)
      return {
        data: logPage(
          0x2e,
          this.alerts.splice(0).map((n) => [n, 1]),
        ),
      };
    if ((page & 0x3f) !== 0x31) return sense(5, 0x2400);
    const { capacityBytes = 64 * MIB } = this.options;
    const used = bytesOf(this.records);
    const data = Buffer.alloc(4 + 16);
    data[0] = 0x31;
    data.writeUInt16BE(16, 2);
    for (const [i, [code, mib]] of [
      [1, Math.ceil((capacityBytes - used) / MIB)],
      [3, capacityBytes / MIB],
    ].entries()) {
      data.writeUInt16BE(code ?? 0, 4 + i * 8);
      data[7 + i * 8] = 4;
      data.writeUInt32BE(mib ?? 0, 8 + i * 8);
    }
    return { data };
  }

  #attribute(): Buffer {
    const value = Buffer.alloc(32, 0x20);
    value.write(this.options.barcode ?? '');
    const data = Buffer.alloc(9 + 32);
    data.writeUInt32BE(37, 0);
    data.writeUInt16BE(0x0806, 4);
    data[6] = 1;
    data.writeUInt16BE(32, 7);
    value.copy(data, 9);
    return data;
  }
}

/** A page whose parameters are of one byte. */
function logPage(page: number, parameters: readonly (readonly [number, number])[]): Buffer {
  const data = Buffer.alloc(4 + parameters.length * 5);
  data[0] = page;
  data.writeUInt16BE(parameters.length * 5, 2);
  for (const [i, [code, value]] of parameters.entries()) {
    data.writeUInt16BE(code, 4 + i * 5);
    data[7 + i * 5] = 1;
    data[8 + i * 5] = value;
  }
  return data;
}

/** Every record takes a little more than its data. */
function bytesOf(records: readonly TapeRecord[]): number {
  return records.reduce((sum, each) => sum + each.length + 64, 0);
}
