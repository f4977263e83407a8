// A media changer in memory as SMC describes one: one robot, slots, one import/export element, drives with serial numbers.

import { sense } from './emulated-tape.ts';
import type { DeviceAnswer, DeviceCommand } from './scripted-target.ts';

interface Element {
  readonly type: number;
  readonly address: number;
  barcode: string | null;
  source: number | null;
}

const TYPES = [
  { type: 1, first: 1, count: 1 },
  { type: 2, first: 1000, count: 600 },
  { type: 3, first: 10, count: 1 },
  { type: 4, first: 500, count: 2 },
] as const;

export class EmulatedChanger {
  readonly elements: Element[];
  readonly planned: { opcode: number; answer: DeviceAnswer | 'silent'; isDone?: boolean }[] = [];
  knowsSerials = true;
  #attentions: DeviceAnswer[] = [];

  constructor(barcodes: readonly string[]) {
    this.elements = TYPES.flatMap(({ type, first, count }) =>
      Array.from({ length: count }, (_, i) => ({
        type,
        address: first + i,
        barcode: type === 2 ? (barcodes[i] ?? null) : null,
        source: null,
      })),
    );
  }

  connect(): void {
    this.#attentions = [sense(6, 0x2900)];
  }

  execute({ cdb }: DeviceCommand): DeviceAnswer | 'silent' {
    const opcode = cdb[0] ?? 0;
    if (opcode === 0x12) return { data: inquiry(cdb) };
    const attention = this.#attentions.shift();
    if (attention) return attention;
    const planned = this.planned.findIndex((each) => each.opcode === opcode);
    if (planned >= 0) {
      const [plan] = this.planned.splice(planned, 1);
      if (plan?.isDone) this.#carryOut(cdb);
      return plan?.answer ?? {};
    }
    return this.#carryOut(cdb);
  }

  #carryOut(cdb: Buffer): DeviceAnswer {
    switch (cdb[0]) {
      case 0x00:
      case 0x07:
        return {};
      case 0x1a:
        return { data: addressPage() };
      case 0xa5:
        return this.#move(cdb.readUInt16BE(4), cdb.readUInt16BE(6));
      case 0xb8:
        return this.#status(cdb);
      default:
        return sense(5, 0x2000);
    }
  }

  #move(from: number, to: number): DeviceAnswer {
    const source = this.elements.find(({ address }) => address === from);
    const target = this.elements.find(({ address }) => address === to);
    if (!source || !target) return sense(5, 0x2101);
    if (source.barcode === null) return sense(5, 0x3b0e);
    if (target.barcode !== null) return sense(5, 0x3b0d);
    target.barcode = source.barcode;
    target.source = from;
    source.barcode = null;
    return {};
  }

  #status(cdb: Buffer): DeviceAnswer {
    const type = (cdb[1] ?? 0) & 0x0f;
    const first = cdb.readUInt16BE(2);
    const count = cdb.readUInt16BE(4);
    const wantsSerials = ((cdb[6] ?? 0) & 1) === 1;
    if (wantsSerials && !this.knowsSerials) return sense(5, 0x2400);
    const chosen = this.elements
      .filter((each) => each.type === type && each.address >= first)
      .slice(0, count);
    const body = chosen.map((each) => descriptor(each, wantsSerials));
    const bytes = body[0]?.length ?? 52;
    const header = Buffer.alloc(16);
    header.writeUInt16BE(chosen[0]?.address ?? 0, 0);
    header.writeUInt16BE(chosen.length, 2);
    header.writeUIntBE(8 + bytes * chosen.length, 5, 3);
    header[8] = type;
    header[9] = 0x80;
    header.writeUInt16BE(bytes, 10);
    header.writeUIntBE(bytes * chosen.length, 13, 3);
    return { data: Buffer.concat([header, ...body]).subarray(0, cdb.readUIntBE(7, 3)) };
  }
}

function descriptor({ type, address, barcode, source }: Element, wantsSerials: boolean): Buffer {
  const bytes = Buffer.alloc(12 + 36 + (wantsSerials ? 4 + 34 : 4));
  bytes.writeUInt16BE(address, 0);
  bytes[2] = barcode === null ? 0x08 : 0x09;
  if (source !== null && barcode !== null) {
    bytes[9] = 0x80;
    bytes.writeUInt16BE(source, 10);
  }
  if (barcode !== null) bytes[9] = (bytes[9] ?? 0) | (barcode.startsWith('CLN') ? 2 : 1);
  if (barcode !== null) bytes.fill(0x20, 12, 44).write(barcode, 12, 'latin1');
  if (wantsSerials && type === 4) {
    bytes.set([2, 1, 0, 34], 48);
    bytes.fill(0x20, 52).write(`SERIAL${address}`, 52 + 24, 'latin1');
  }
  return bytes;
}

function inquiry(cdb: Buffer): Buffer {
  if (cdb[1] === 1) {
    return Buffer.concat([Buffer.from([8, cdb[2] ?? 0, 0, 12]), Buffer.from('LIBRARY00001')]);
  }
  const data = Buffer.alloc(36, 0x20);
  data[0] = 8;
  data.write('TAPESTRY', 8);
  data.write('EMULATED', 16);
  return data;
}

function addressPage(): Buffer {
  const page = Buffer.alloc(4 + 20);
  page[4] = 0x1d;
  page[5] = 18;
  for (const [i, { first, count }] of TYPES.entries()) {
    page.writeUInt16BE(first, 6 + i * 4);
    page.writeUInt16BE(count, 8 + i * 4);
  }
  return page;
}
