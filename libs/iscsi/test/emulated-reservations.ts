// Persistent reservations of one logical unit (SPC), exclusive access alone.

import type { DeviceAnswer } from './scripted-target.ts';

const CONFLICT: DeviceAnswer = { status: 0x18 };

export class EmulatedReservations {
  readonly #keys = new Map<string, bigint>();
  readonly #attend: (nexus: string, code: number) => void;
  #holder: string | null = null;

  constructor(attend: (nexus: string, code: number) => void) {
    this.#attend = attend;
  }

  shutsOut(nexus: string): boolean {
    return this.#holder !== null && this.#holder !== nexus;
  }

  execute(cdb: Buffer, dataOut: Buffer, nexus: string): DeviceAnswer {
    if (cdb[0] === 0x5e) return { data: this.#read(cdb[1] ?? 0) };
    const key = dataOut.readBigUInt64BE(0);
    const other = dataOut.readBigUInt64BE(8);
    const action = cdb[1] ?? 0;
    const isKnown = this.#keys.get(nexus) === key;
    if (action === 6 || (action === 0 && isKnown)) return this.#register(nexus, other);
    if (!isKnown) return CONFLICT;
    if (action === 1) return this.#reserve(nexus);
    if (action === 2) return this.#release(nexus);
    return this.#preempt(nexus, other);
  }

  #read(action: number): Buffer {
    const held = this.#holder === null ? undefined : this.#keys.get(this.#holder);
    const keys = action === 0 ? [...this.#keys.values()] : held === undefined ? [] : [held];
    const step = action === 0 ? 8 : 16;
    const data = Buffer.alloc(8 + keys.length * step);
    data.writeUInt32BE(keys.length * step, 4);
    for (const [i, key] of keys.entries()) data.writeBigUInt64BE(key, 8 + i * step);
    return data;
  }

  #register(nexus: string, key: bigint): DeviceAnswer {
    if (key !== 0n) this.#keys.set(nexus, key);
    else {
      this.#keys.delete(nexus);
      if (this.#holder === nexus) this.#holder = null;
    }
    return {};
  }

  #reserve(nexus: string): DeviceAnswer {
    if (this.shutsOut(nexus)) return CONFLICT;
    this.#holder = nexus;
    return {};
  }

  #release(nexus: string): DeviceAnswer {
    if (this.#holder === nexus) this.#holder = null;
    return {};
  }

  #preempt(nexus: string, key: bigint): DeviceAnswer {
    const victims = [...this.#keys].filter(([each, theirs]) => theirs === key && each !== nexus);
    const takesOver = victims.some(([each]) => each === this.#holder);
    for (const [victim] of victims) {
      this.#keys.delete(victim);
      this.#attend(victim, 0x2a05);
    }
    if (takesOver) this.#holder = nexus;
    return victims.length > 0 ? {} : CONFLICT;
  }
}
