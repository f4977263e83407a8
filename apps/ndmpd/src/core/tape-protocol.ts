// What a session and its tape thread say to each other. The thread owns the drive, the mover and its data connection;
// the session owns the control connection. A shared array carries the mover's counters.

import type { CdbOrder, MoverOrder, MoverReport, NdmpAddress } from '@tapestry/ndmp';

/** What a session begins with. */
export interface TapeThreadOptions {
  readonly libraryDir: string;
  /** Addresses of this host for data connections over TCP. */
  readonly hosts: { readonly ipv4: string; readonly ipv6: string | undefined };
  readonly progress: SharedArrayBuffer;
  /** Of `TapePlaces`. */
  readonly places: SharedArrayBuffer;
}

/** A drive as the library knows it. */
export interface DrivePlace {
  readonly driveIndex: number;
  readonly serial: string;
}

/** Calls are answered under their number, in any order. */
export type TapeCall =
  | {
      readonly call: 'open';
      readonly place: DrivePlace;
      /** Under this name the drive is held. */
      readonly grantId: string;
      readonly mode: number;
    }
  | { readonly call: 'status' }
  | {
      readonly call: 'space';
      readonly order: {
        readonly operation: number;
        readonly count: number;
        readonly crossing: boolean;
      };
    }
  | { readonly call: 'write'; readonly data: Uint8Array }
  | {
      readonly call: 'read';
      readonly order: { readonly sizeBytes: number; readonly crossing: boolean };
    }
  | { readonly call: 'executeCdb'; readonly order: CdbOrder }
  | { readonly call: 'close'; readonly how: 'flush' | 'discard' }
  | { readonly call: 'moverListen'; readonly addressType: number }
  | { readonly call: 'moverConnect'; readonly address: NdmpAddress }
  | { readonly call: 'moverAbort' };

/** Orders are not answered. */
export type TapeOrder =
  | { readonly order: 'run'; readonly mover: MoverOrder }
  | { readonly order: 'read'; readonly offset: bigint; readonly length: bigint }
  | { readonly order: 'close' }
  | { readonly order: 'release' };

export type ToTapeThread =
  /** The first message, and the only one of its kind: the thread was started ahead of its session. */
  { readonly begin: TapeThreadOptions } | (TapeCall & { readonly id: number }) | TapeOrder;

export type FromTapeThread =
  | { readonly id: number; readonly value: unknown }
  /** A bug in the thread, in words. */
  | { readonly id: number; readonly failure: string }
  | { readonly report: MoverReport }
  /** The DATA service of the session is to dial this socket. */
  | { readonly localDial: string };

/** The shared array: bytes moved, record number, bytes left to read. */
export const PROGRESS = { bytesMoved: 0, recordNumber: 1, bytesLeftToRead: 2, count: 3 } as const;
