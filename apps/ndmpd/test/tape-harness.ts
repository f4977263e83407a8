// What the tests of tape and mover share: a virtual library in a folder, and a DMA that answers with error codes
// instead of failing, since most of what is tested here is how the server refuses.

import { mkdirSync } from 'node:fs';
import {
  isRefusal,
  NDMP_ERROR,
  NdmpError,
  type NdmpVersion,
  type ReplyBody,
  type RequestBody,
  type RequestName,
  TAPE_MTIO,
  TAPE_OPEN_MODE,
} from '@tapestry/ndmp';
import {
  type CartridgeSpec,
  createVirtualLibrary,
  FIRST_ADDRESS,
  openVirtualLibrary,
} from '@tapestry/storage';
import { expect } from 'vitest';
import {
  Dma,
  makeWorkspace,
  PASSWORD,
  type RunningServer,
  startServer,
  USER,
  type Workspace,
} from './harness.ts';

const MIB = 1024 * 1024;

export const { read: READ, readWrite: RDWR, raw: RAW } = TAPE_OPEN_MODE;
export const {
  forwardFiles: FSF,
  backwardFiles: BSF,
  forwardRecords: FSR,
  backwardRecords: BSR,
  rewind: REW,
  writeFilemarks: EOF_MARK,
  eject: OFF,
  testReady: TUR,
} = TAPE_MTIO;

export interface LibraryShape {
  readonly drives?: number;
  readonly slots?: number;
  readonly tapes?: number;
  readonly tape?: Partial<CartridgeSpec>;
  /** Puts the first tapes into the drives. */
  readonly loaded?: number;
}

/** Tapes T00001L8 and on, in the slots from 1024; drives from 256. */
export async function makeLibrary(dir: string, shape: LibraryShape = {}): Promise<void> {
  const { drives = 2, slots = 10, tapes = 4, tape = {}, loaded = 0 } = shape;
  const cartridges = Array.from({ length: tapes }, (_, i) => ({
    barcode: `T${String(i + 1).padStart(5, '0')}L8`,
    capacityBytes: 256 * MIB,
    ...tape,
  }));
  await createVirtualLibrary({ dir, drives, slots, cartridges, serial: 'TESTLIB' });
  for (let i = 0; i < loaded; i++) {
    await moveTape(dir, FIRST_ADDRESS.slot + i, FIRST_ADDRESS.drive + i);
  }
}

/** A server with a library of its own, in a workspace of its own. */
export interface TapeStage extends RunningServer {
  readonly workspace: Workspace;
  readonly library: string;
}

export async function startTapeServer(
  shape: LibraryShape = {},
  options: {
    readonly exports?: readonly string[];
    readonly flags?: readonly string[];
    /** Looks at the library before the server does. */
    readonly before?: (library: string) => void;
  } = {},
): Promise<TapeStage> {
  const workspace = makeWorkspace();
  const library = workspace.file('library');
  await makeLibrary(library, { loaded: 1, ...shape });
  options.before?.(library);
  const names = options.exports ?? ['home'];
  for (const name of names) mkdirSync(workspace.file(name));
  const exports = Object.fromEntries(names.map((name) => [name, workspace.file(name)]));
  const flags = ['--library', library, ...(options.flags ?? [])];
  const server = await startServer(workspace, exports, flags);
  const close = async (): Promise<void> => {
    await server.close();
    workspace.remove();
  };
  return { ...server, workspace, library, close };
}

/** A hand in the library, beside the server. */
export async function moveTape(dir: string, from: number, to: number): Promise<void> {
  const library = await openVirtualLibrary(dir);
  try {
    await library.move(from, to);
  } finally {
    await library.close();
  }
}

type Fields<N extends RequestName> = Partial<ReplyBody<N>> & { error: number };

/** One control connection to a tape server. Every method answers; none fails for what the server says. */
export class TapeDma {
  readonly dma: Dma;

  constructor(dma: Dma) {
    this.dma = dma;
  }

  static async login(address: string, versionMax: NdmpVersion = 4): Promise<TapeDma> {
    const dma = new Dma(address);
    await dma.client.connectOpen({ versionMax });
    await dma.client.authMd5(USER, PASSWORD);
    return new TapeDma(dma);
  }

  async ask<N extends RequestName>(name: N, body: RequestBody<N>): Promise<Fields<N>> {
    try {
      const reply = await this.dma.client.call(name, body);
      return { ...(reply as Partial<ReplyBody<N>>), error: NDMP_ERROR.noError };
    } catch (error) {
      if (!(error instanceof NdmpError) || error.error === undefined) throw error;
      if (!isRefusal(error, error.error)) throw error;
      return { error: error.error } as Fields<N>;
    }
  }

  async error<N extends RequestName>(name: N, body: RequestBody<N>): Promise<number> {
    return (await this.ask(name, body)).error;
  }

  open(mode: number, device = 'drive0'): Promise<number> {
    return this.error('tapeOpen', { device, mode });
  }

  /** Waits for a session that has just left to let go of the drive. */
  async openOnceFree(mode: number): Promise<void> {
    await expect.poll(() => this.open(mode), { timeout: 30_000 }).toBe(NDMP_ERROR.noError);
  }

  close(): Promise<number> {
    return this.error('tapeClose', {});
  }

  /** The residue, or the error as a negative number. */
  async mtio(operation: number, count = 1): Promise<number> {
    const { error, residualCount = 0 } = await this.ask('tapeMtio', { operation, count });
    return error === NDMP_ERROR.noError ? residualCount : -error;
  }

  /** The count, or the error as a negative number. */
  async write(data: Buffer): Promise<number> {
    const { error, count = 0 } = await this.ask('tapeWrite', { data });
    return error === NDMP_ERROR.noError ? count : -error;
  }

  /** The data, or the error. */
  async read(count: number): Promise<Buffer | number> {
    const { error, data } = await this.ask('tapeRead', { count });
    return data ?? error;
  }

  async position(): Promise<[number | undefined, number | undefined]> {
    const { fileNumber, blockNumber } = await this.ask('tapeGetState', {});
    return [fileNumber, blockNumber];
  }

  leave(): void {
    this.dma.client.close();
  }
}
