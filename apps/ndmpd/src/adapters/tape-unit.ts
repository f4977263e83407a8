// One drive of the library as NDMP sees it: positions, residues, filemarks and the early warning of SPEC4 3.4 over the
// `Drive` port, which has those of SCSI. Whoever meets a filemark there is behind it; here it is put back before it.

import { setImmediate as turn } from 'node:timers/promises';
import {
  type CdbOrder,
  type CdbOutcome,
  NDMP_ERROR,
  type Outcome,
  TAPE_MTIO,
  TAPE_STATE_FLAGS,
  TAPE_STATE_UNSUPPORTED,
  type TapeDrive,
  type TapeStatus,
  U32_MAX,
  U64_MAX,
} from '@tapestry/ndmp';
import { StatusError } from '@tapestry/status';
import type { Capacity, Drive, SpaceResult } from '@tapestry/storage';
import { executeCdb } from '../core/cdb-order.ts';
import { type EarlyWarning, nextWarning } from '../core/early-warning.ts';
import { asksTapeAlerts } from '../core/log-pages.ts';
import type { ScsiIdentity } from '../core/scsi-inquiry.ts';
import { tapeReply } from '../core/tape-cdb.ts';
import { tapeErrorOf } from '../core/tape-errors.ts';
import type { TapePlace } from '../core/tape-places.ts';

/** So many filemarks go in one call of the drive; between two of them others get their turn. */
const MARKS_AT_ONCE = 256;

interface SpaceOrder {
  readonly operation: number;
  readonly count: number;
  readonly crossing: boolean;
}

export class TapeUnit implements TapeDrive {
  readonly #drive: Drive;
  readonly #identity: ScsiIdentity;
  #warning: EarlyWarning = 'none';
  /** The block number is not told after a move that ends at a filemark from its far side (SPEC4 3.4.4). */
  #isBlockKnown = true;
  #hasFailed = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(drive: Drive, identity: ScsiIdentity) {
    this.#drive = drive;
    this.#identity = identity;
  }

  /** The drive takes one call at a time, and `status` may come beside another. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  status(): Promise<TapeStatus> {
    return this.#alone(async () => {
      const { load, position, capacity } = await this.#look();
      return {
        unsupported: TAPE_STATE_UNSUPPORTED.softErrors,
        flags:
          TAPE_STATE_FLAGS.noRewind |
          (load?.writeProtected ? TAPE_STATE_FLAGS.writeProtected : 0) |
          (load === null || this.#hasFailed ? TAPE_STATE_FLAGS.error : 0),
        fileNumber: position?.file ?? U32_MAX,
        softErrors: U32_MAX,
        blockSize: 0,
        blockNumber: this.#isBlockKnown ? (position?.block ?? U32_MAX) : U32_MAX,
        ...space(capacity),
      };
    });
  }

  /** Null for what the drive cannot tell: without a medium, or with one that cannot be used. */
  async #look() {
    const load = await this.#readable(() => this.#drive.loadState());
    const isLoaded = load?.loaded === true;
    return {
      load,
      position: isLoaded ? await this.#readable(() => this.#drive.position()) : null,
      capacity: isLoaded ? await this.#readable(() => this.#drive.capacity()) : null,
    };
  }

  async #alerts(): Promise<readonly number[]> {
    return (await this.#readable(async () => (await this.#drive.tapeAlerts?.()) ?? [])) ?? [];
  }

  async #readable<T>(ask: () => Promise<T>): Promise<T | null> {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof StatusError) return null;
      throw error;
    }
  }

  space(order: SpaceOrder): Promise<Outcome & { readonly residualCount: number }> {
    return this.#attempt({ residualCount: order.count }, () => this.#space(order));
  }

  async #space({ operation, count, crossing }: SpaceOrder) {
    const drive = this.#drive;
    if (operation === TAPE_MTIO.testReady) {
      const { loaded } = await drive.loadState();
      return { error: loaded ? NDMP_ERROR.noError : NDMP_ERROR.noTapeLoaded, residualCount: 0 };
    }
    if (operation === TAPE_MTIO.writeFilemarks) return this.#mark(count);
    this.#warning = nextWarning(this.#warning, { type: 'moved' });
    this.#isBlockKnown = true;
    switch (operation) {
      case TAPE_MTIO.forwardFiles:
        return spaced(count, await drive.spaceFilemarks(count));
      case TAPE_MTIO.backwardFiles: {
        const result = await drive.spaceFilemarks(-count);
        this.#isBlockKnown = result.stoppedAt === 'beginning';
        return spaced(count, result);
      }
      case TAPE_MTIO.forwardRecords:
        return this.#spaceRecords(count, crossing);
      case TAPE_MTIO.backwardRecords:
        return this.#spaceRecords(-count, crossing);
      case TAPE_MTIO.rewind:
        await drive.rewind();
        return DONE;
      case TAPE_MTIO.eject:
        await drive.unload();
        return DONE;
      default:
        return { error: NDMP_ERROR.notSupported, residualCount: count };
    }
  }

  async #spaceRecords(count: number, crossing: boolean) {
    const result = await this.#drive.spaceBlocks(count);
    if (result.stoppedAt === 'filemark') {
      const isBack = count < 0;
      if (crossing) this.#isBlockKnown = !isBack;
      else await this.#drive.spaceFilemarks(isBack ? 1 : -1);
    }
    return spaced(Math.abs(count), result);
  }

  /** Early warning is no failure of a filemark; only the physical end is. */
  async #mark(count: number) {
    let left = count;
    this.#isBlockKnown = true;
    while (left > 0) {
      const result = await this.#drive.writeFilemarks(Math.min(left, MARKS_AT_ONCE), 'buffered');
      this.#wrote(result.earlyWarning);
      left -= result.written;
      if (result.endOfMedium) break;
      await turn();
    }
    await this.#drive.writeFilemarks(0, 'sync');
    return { error: left === 0 ? NDMP_ERROR.noError : NDMP_ERROR.io, residualCount: left };
  }

  #wrote(pastWarning: boolean): void {
    this.#warning = nextWarning(this.#warning, { type: 'written', pastWarning });
  }

  write(data: Buffer): Promise<Outcome & { readonly count: number }> {
    return this.#attempt({ count: 0 }, async () => {
      if (this.#warning === 'due') {
        this.#warning = nextWarning(this.#warning, { type: 'refused' });
        return { error: NDMP_ERROR.eom, count: 0 };
      }
      this.#isBlockKnown = true;
      const result = await this.#drive.writeBlocks([{ parts: [data] }]);
      this.#wrote(result.earlyWarning);
      if (result.written === 0) return { error: NDMP_ERROR.io, count: 0 };
      return { error: NDMP_ERROR.noError, count: data.length };
    });
  }

  read(order: { readonly sizeBytes: number; readonly crossing: boolean }) {
    const { sizeBytes, crossing } = order;
    return this.#attempt({ data: NOTHING }, async () => {
      const { maxBytes } = await this.#drive.blockLimits();
      if (sizeBytes > maxBytes) return { error: NDMP_ERROR.illegalArgs, data: NOTHING };
      const into = Buffer.allocUnsafe(sizeBytes);
      const result = await this.#drive.readBlock(into);
      this.#warning = nextWarning(this.#warning, { type: 'moved' });
      this.#isBlockKnown = true;
      switch (result.kind) {
        case 'block':
          return { error: NDMP_ERROR.noError, data: into.subarray(0, result.lengthBytes) };
        case 'oversize':
          return { error: NDMP_ERROR.noError, data: into };
        case 'endOfData':
          // v2 and v3 tell no end of data from a filemark.
          return { error: crossing ? NDMP_ERROR.eof : NDMP_ERROR.eom, data: NOTHING };
        case 'filemark':
          if (!crossing) {
            await this.#drive.spaceFilemarks(-1);
            this.#isBlockKnown = false;
          }
          return { error: NDMP_ERROR.eof, data: NOTHING };
      }
    });
  }

  /** Undefined where there is no tape, or none that can tell. */
  place(): Promise<(TapePlace & { readonly barcode: string }) | undefined> {
    return this.#alone(async () => {
      const { load, position } = await this.#look();
      const barcode = load?.barcode ?? null;
      if (position === null || barcode === null) return undefined;
      return { barcode, file: position.file, block: position.block };
    });
  }

  executeCdb(order: CdbOrder): Promise<CdbOutcome> {
    return this.#alone(async () => {
      const { minBytes, maxBytes } = await this.#drive.blockLimits();
      const facts = {
        identity: this.#identity,
        ...(await this.#look()),
        tapeAlerts: asksTapeAlerts(order.cdb) ? await this.#alerts() : [],
        blockBytesMin: minBytes,
        blockBytesMax: maxBytes,
      };
      return executeCdb(order, (cdb) => tapeReply(cdb, facts));
    });
  }

  /** Given back in either way and also when the last data could not be saved, so 'discard' finds nothing to do. */
  close(_how: 'flush' | 'discard'): Promise<Outcome> {
    return this.#attempt({}, async () => {
      await this.#drive.close();
      return { error: NDMP_ERROR.noError };
    });
  }

  /** Failures of the drive are answers; anything else is a bug. */
  #attempt<T extends object>(fields: T, work: () => Promise<Outcome & T>): Promise<Outcome & T> {
    return this.#alone(async () => {
      try {
        const outcome = await work();
        this.#hasFailed = outcome.error === NDMP_ERROR.io;
        return outcome;
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
        const code = tapeErrorOf(error.status);
        this.#hasFailed = code === NDMP_ERROR.io;
        return { ...fields, error: code };
      }
    });
  }
}

const NOTHING = Buffer.alloc(0);
const DONE = { error: NDMP_ERROR.noError, residualCount: 0 } as const;

function spaced(count: number, { spaced: went }: SpaceResult) {
  return { error: NDMP_ERROR.noError, residualCount: count - went };
}

function space(capacity: Capacity | null) {
  if (capacity === null) return { totalSpace: U64_MAX, spaceRemain: U64_MAX };
  const { capacityBytes, usedBytes } = capacity;
  return {
    totalSpace: BigInt(capacityBytes),
    spaceRemain: BigInt(Math.max(0, capacityBytes - usedBytes)),
  };
}
