// A drive behind an NDMP server's TAPE service, for labels, headers and positions: the bytes of a backup reach it by the
// server's own mover. Where the versions differ (what a read does at a filemark), all look alike from outside.

import { parseTapeAlertPage, TAPE_ALERT_SENSE, TAPE_ALERT_SENSE_BYTES } from '@tapestry/iscsi';
import {
  NDMP_ERROR,
  NdmpError,
  TAPE_MTIO,
  TAPE_STATE_FLAGS,
  TAPE_STATE_UNSUPPORTED,
  U32_MAX,
} from '@tapestry/ndmp';
import { StatusError, type StatusName } from '@tapestry/status';
import type {
  BlockLimits,
  Capacity,
  Drive,
  LoadState,
  LocateTarget,
  Position,
  ReadResult,
  SpaceResult,
  WriteBlock,
  WriteResult,
} from '@tapestry/storage';
import type { TapePort } from './tape-port.ts';

/**
 * One TAPE_READ asks for no more, since some servers refuse to be asked for more. Longer blocks are the mover's alone;
 * a server does not tell that it cut one.
 */
const BLOCK_MAX_BYTES = 65_536;
/** "As far as it goes" for a count of filemarks. */
const ALL = 0x7fff_ffff;

/** What a refusal means where the operation itself does not say more. */
const STATUS_OF: ReadonlyMap<number, StatusName> = new Map<number, StatusName>([
  [NDMP_ERROR.noTapeLoaded, 'driveNotReady'],
  [NDMP_ERROR.deviceNotOpen, 'driveNotReady'],
  [NDMP_ERROR.deviceBusy, 'mediaInUse'],
  [NDMP_ERROR.writeProtect, 'writeProtected'],
  [NDMP_ERROR.permission, 'writeProtected'],
  [NDMP_ERROR.illegalArgs, 'invalidParameter'],
]);

export class NdmpDrive implements Drive {
  readonly #tape: TapePort;
  readonly #name: string;
  /** Set by the one refusal that tells of it; over with the next motion. */
  #pastEarlyWarning = false;
  #closed = false;
  /** Not every server tells that it has no tape any more. */
  #unloaded = false;

  /** `name` is for messages: `filer1 nrst0a`. */
  constructor(tape: TapePort, name: string) {
    this.#tape = tape;
    this.#name = name;
  }

  async loadState(): Promise<LoadState> {
    const worm = false;
    const nothing = { loaded: false, barcode: null, writeProtected: false, worm };
    if (this.#unloaded) return nothing;
    try {
      const { flags } = await this.#tape.getState();
      const loaded = (flags & TAPE_STATE_FLAGS.unload) === 0 && (await this.#isReady());
      const writeProtected = this.#tape.readOnly || (flags & TAPE_STATE_FLAGS.writeProtected) !== 0;
      return { loaded, barcode: null, writeProtected, worm };
    } catch (error) {
      if (!isOneOf(error, NDMP_ERROR.noTapeLoaded, NDMP_ERROR.deviceNotOpen)) {
        throw this.#failure(error, 'driveNotReady', 'tell its state');
      }
      return nothing;
    }
  }

  async blockLimits(): Promise<BlockLimits> {
    const fixed = await this.fixedBlockBytes();
    return { minBytes: fixed === 0 ? 1 : fixed, maxBytes: BLOCK_MAX_BYTES };
  }

  /** The one block size of a drive in fixed mode, of which every record is a multiple; 0 in variable mode. */
  async fixedBlockBytes(): Promise<number> {
    const { blockSize, unsupported } = await this.#state();
    const isTold = (unsupported & TAPE_STATE_UNSUPPORTED.blockSize) === 0 && blockSize !== U32_MAX;
    return isTold ? blockSize : 0;
  }

  async readBlock(into: Uint8Array): Promise<ReadResult> {
    const tape = this.#loaded();
    const before = tape.version < 4 ? await this.#state() : undefined;
    let data: Buffer;
    try {
      data = await tape.read(BLOCK_MAX_BYTES);
    } catch (error) {
      if (isOneOf(error, NDMP_ERROR.eom)) return { kind: 'endOfData' };
      if (!isOneOf(error, NDMP_ERROR.eof)) throw this.#failure(error, 'mediaReadError', 'read');
      return this.#atMark(before?.fileNumber);
    }
    data.copy(into, 0, 0, Math.min(data.length, into.length));
    if (data.length > into.length) return { kind: 'oversize', lengthBytes: data.length };
    return { kind: 'block', lengthBytes: data.length, crc32: null };
  }

  async writeBlocks(blocks: readonly WriteBlock[]): Promise<WriteResult> {
    const tape = this.#loaded();
    let written = 0;
    for (const { parts } of blocks) {
      const bytes = Buffer.concat(parts);
      if (bytes.length === 0 || bytes.length > BLOCK_MAX_BYTES) {
        throw new StatusError('invalidParameter', `a block of ${bytes.length} bytes`);
      }
      try {
        await tape.write(bytes);
      } catch (error) {
        return this.#unwritten(error, written);
      }
      written += 1;
    }
    return { written, earlyWarning: this.#pastEarlyWarning, endOfMedium: false };
  }

  async writeFilemarks(count: number): Promise<WriteResult> {
    if (!Number.isInteger(count) || count < 0) {
      throw new StatusError('invalidParameter', `${count} filemarks`);
    }
    // Every server writes its marks through to the tape: there is no buffered kind to ask for.
    const left = count === 0 ? 0 : await this.#mtio('writeFilemarks', count, 'mediaWriteError');
    const written = count - left;
    return { written, earlyWarning: this.#pastEarlyWarning, endOfMedium: left > 0 };
  }

  async locate(target: LocateTarget): Promise<void> {
    this.#pastEarlyWarning = false;
    if (target === 'endOfData') {
      await this.#mtio('forwardFiles', ALL, 'mediaPositionError');
      // Behind the last mark there may be records.
      await this.#mtio('forwardRecords', ALL, 'mediaPositionError');
      return;
    }
    if ('object' in target) {
      throw new StatusError('mediaPositionError', `${this.#name} does not count objects`);
    }
    const { file, block } = target;
    await this.#locateFile(file);
    if (block === 0) return;
    const left = await this.#mtio('forwardRecords', block, 'mediaPositionError');
    if (left > 0) throw this.#nowhere(file, block);
    const { file: reached } = await this.position();
    if (reached !== file) throw this.#nowhere(file, block);
  }

  async spaceFilemarks(count: number): Promise<SpaceResult> {
    this.#pastEarlyWarning = false;
    if (count === 0) return { spaced: 0, stoppedAt: null };
    const wanted = Math.abs(count);
    const operation = count > 0 ? 'forwardFiles' : 'backwardFiles';
    const left = await this.#mtio(operation, wanted, 'mediaPositionError');
    if (left === 0) return { spaced: wanted, stoppedAt: null };
    if (count < 0) {
      // Servers differ in where they stop short of the beginning.
      await this.rewind();
      return { spaced: wanted - left, stoppedAt: 'beginning' };
    }
    return { spaced: wanted - left, stoppedAt: 'endOfData' };
  }

  async spaceBlocks(count: number): Promise<SpaceResult> {
    this.#pastEarlyWarning = false;
    if (count === 0) return { spaced: 0, stoppedAt: null };
    const wanted = Math.abs(count);
    const { fileNumber } = await this.#state();
    const operation = count > 0 ? 'forwardRecords' : 'backwardRecords';
    const left = await this.#mtio(operation, wanted, 'mediaPositionError');
    const spaced = wanted - left;
    if (left === 0) return { spaced, stoppedAt: null };
    if (count > 0) {
      const { kind } = await this.#crossAhead(fileNumber);
      return { spaced, stoppedAt: kind === 'filemark' ? 'filemark' : 'endOfData' };
    }
    if (fileNumber === 0) return { spaced, stoppedAt: 'beginning' };
    // v4 stays behind the mark, the others are before it already.
    const { fileNumber: now } = await this.#state();
    if (now === fileNumber) await this.#mtio('backwardFiles', 1, 'mediaPositionError');
    return { spaced, stoppedAt: 'filemark' };
  }

  async position(): Promise<Position> {
    const { fileNumber, blockNumber } = await this.#state();
    if (fileNumber === U32_MAX || blockNumber === U32_MAX) {
      const detail = `${this.#name} does not tell where its tape stands`;
      throw new StatusError('mediaPositionError', detail);
    }
    return { object: null, file: fileNumber, block: blockNumber };
  }

  async rewind(): Promise<void> {
    this.#pastEarlyWarning = false;
    await this.#mtio('rewind', 1, 'mediaPositionError');
  }

  async erase(): Promise<void> {
    const detail = `NDMP cannot erase the tape in ${this.#name}: write a label over it`;
    throw new StatusError('notImplemented', detail);
  }

  async capacity(): Promise<Capacity | null> {
    return null;
  }

  /** By LOG SENSE. None where the server passes no commands on, or the drive has no such page. */
  async tapeAlerts(): Promise<readonly number[]> {
    try {
      const page = await this.#tape.ask(TAPE_ALERT_SENSE, TAPE_ALERT_SENSE_BYTES);
      return page === null ? [] : parseTapeAlertPage(page);
    } catch (error) {
      if (error instanceof NdmpError && error.failure === 'refused') return [];
      throw this.#failure(error, 'driveNotReady', 'tell its TapeAlert flags');
    }
  }

  async unload(): Promise<void> {
    await this.#mtio('eject', 1, 'mediaCloseError');
    this.#unloaded = true;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.#tape.close();
    } catch (error) {
      if (isOneOf(error, NDMP_ERROR.deviceNotOpen)) return;
      const failure = this.#failure(error, 'mediaWriteError', 'close');
      // A refused close did no I/O the second time (draft, TAPE_CLOSE): the drive is given back in any case.
      await this.#tape.close().catch(() => undefined);
      throw failure;
    }
  }

  async #locateFile(file: number): Promise<void> {
    const { fileNumber } = await this.#state();
    // Forward from here where that is sure to be shorter; any other place is found from the beginning.
    const from = fileNumber !== U32_MAX && fileNumber < file ? fileNumber : 0;
    if (from === 0) await this.rewind();
    if (file === from) return;
    const left = await this.#mtio('forwardFiles', file - from, 'mediaPositionError');
    if (left > 0) throw this.#nowhere(file, 0);
  }

  /**
   * After a read that met no block: v4 stands before a filemark, if it is one; the others went over it, but for servers
   * that stay there in every version.
   */
  async #atMark(fileBefore: number | undefined): Promise<ReadResult> {
    if (fileBefore !== undefined) {
      const { fileNumber } = await this.#state();
      if (fileNumber !== fileBefore) return { kind: 'filemark' };
      if (fileNumber === U32_MAX) return { kind: 'endOfData' };
    }
    // Some servers call the end of data so, too: there is no mark to cross.
    const left = await this.#mtio('forwardFiles', 1, 'mediaPositionError');
    return left > 0 ? { kind: 'endOfData' } : { kind: 'filemark' };
  }

  /** A forward motion stopped early: at a mark, which is then crossed, or at the end of data. */
  async #crossAhead(fileBefore: number): Promise<ReadResult> {
    const { fileNumber } = await this.#state();
    if (fileNumber !== fileBefore) return { kind: 'filemark' };
    return this.readBlock(new Uint8Array(0));
  }

  #unwritten(error: unknown, written: number): WriteResult {
    if (isOneOf(error, NDMP_ERROR.eom)) {
      // Told once at early warning, with nothing written: what follows is written again, to the physical end.
      const again = this.#pastEarlyWarning;
      this.#pastEarlyWarning = true;
      return { written, earlyWarning: true, endOfMedium: again };
    }
    if (this.#pastEarlyWarning && isOneOf(error, NDMP_ERROR.io)) {
      return { written, earlyWarning: true, endOfMedium: true };
    }
    throw this.#failure(error, 'mediaWriteError', 'write');
  }

  async #isReady(): Promise<boolean> {
    if (this.#tape.version < 4) return true;
    try {
      await this.#tape.mtio(TAPE_MTIO.testReady, 1);
      return true;
    } catch (error) {
      // A server of v4 need not know the operation; then its having opened the drive is all there is.
      return isOneOf(error, NDMP_ERROR.illegalArgs, NDMP_ERROR.notSupported);
    }
  }

  #loaded(): TapePort {
    if (!this.#unloaded) return this.#tape;
    throw new StatusError('driveNotReady', `${this.#name} was unloaded`);
  }

  async #state() {
    const tape = this.#loaded();
    try {
      return await tape.getState();
    } catch (error) {
      throw this.#failure(error, 'mediaPositionError', 'tell its state');
    }
  }

  /** Resolves with what is left of `count`. */
  async #mtio(
    operation: keyof typeof TAPE_MTIO,
    count: number,
    otherwise: StatusName,
  ): Promise<number> {
    const tape = this.#loaded();
    try {
      return await tape.mtio(TAPE_MTIO[operation], count);
    } catch (error) {
      throw this.#failure(error, otherwise, operation);
    }
  }

  #nowhere(file: number, block: number): StatusError {
    const detail = `${this.#name}: the tape has no block ${block} of file ${file}`;
    return new StatusError('mediaPositionError', detail);
  }

  #failure(error: unknown, otherwise: StatusName, doing: string): StatusError {
    if (error instanceof StatusError) return error;
    const known = error instanceof NdmpError ? STATUS_OF.get(error.error) : undefined;
    const why = error instanceof Error ? error.message : String(error);
    const detail = `${this.#name} cannot ${doing}: ${why}`;
    return new StatusError(known ?? otherwise, detail, {}, { cause: error });
  }
}

function isOneOf(error: unknown, ...codes: readonly number[]): boolean {
  return error instanceof NdmpError && error.failure === 'refused' && codes.includes(error.error);
}
