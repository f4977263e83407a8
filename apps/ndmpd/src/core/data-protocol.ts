// What the session and its data process say to each other. The data process owns the data connection and
// the files; the session owns the control connection.

import type { HistoryKind, NameEntry, Pval, TcpEndpoint } from '@tapestry/ndmp';
import type { Export } from './export-path.ts';
import type { HistoryForm } from './operation-env.ts';

export interface BackupOrder {
  readonly type: 'backup';
  readonly exportDirectory: string;
  /** How the DMA calls the backup root; for messages. */
  readonly shownRoot: string;
  readonly components: readonly Uint8Array[];
  readonly history: HistoryForm;
  /** Patterns of what is left out, and of what the backup is limited to; latin1 strings. */
  readonly exclude: readonly string[];
  readonly include: readonly string[];
  /** Undefined for a full backup. */
  readonly base: IncrementalBase | undefined;
}

/** What an incremental is measured against. */
export interface IncrementalBase {
  /** Objects changed at or after this are saved; undefined for all of them. */
  readonly sinceNs: bigint | undefined;
  /** The directories that were there; undefined when that is not known. */
  readonly directories: Uint8Array | undefined;
}

export interface RecoverOrder {
  readonly type: 'recover';
  readonly exports: readonly Export[];
  readonly filesystem: string;
  readonly names: readonly NameEntry[];
  readonly version: number;
  readonly direct: boolean;
  readonly recursive: boolean;
  /** Remove from recovered directories what their lists in the image no longer name. */
  readonly removeGone: boolean;
  readonly imageBytes: bigint | undefined;
  readonly readAlignBytes: number;
  /** Only post the file history of what is in the image. */
  readonly listOnly: boolean;
  readonly history: HistoryForm;
}

export type WorkerCommand =
  | { readonly type: 'listen'; readonly host: string }
  | { readonly type: 'dial'; readonly endpoints: readonly TcpEndpoint[] }
  /** Takes a stream socket of this host as its data connection: for a mover in the same server. */
  | { readonly type: 'dialLocal'; readonly path: string }
  | BackupOrder
  | RecoverOrder
  /** The control connection took this many posts: room for more. */
  | { readonly type: 'taken'; readonly posts: number };

/** What the data service passes on to the session. */
export type SessionReport = Exclude<WorkerReport, { type: 'progress' | 'directories' }>;

export type WorkerReport =
  /** Stream bytes moved so far; the last one comes before "ended". */
  | { readonly type: 'progress'; readonly bytes: bigint }
  /** What a finished backup saw; see core/directory-set.ts. */
  | { readonly type: 'directories'; readonly bytes: Uint8Array }
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'connected'; readonly host: string; readonly port: number }
  | { readonly type: 'connectFailed'; readonly text: string }
  | { readonly type: 'history'; readonly kind: HistoryKind; readonly body: Uint8Array }
  | { readonly type: 'log'; readonly logType: number; readonly entry: string }
  | { readonly type: 'file'; readonly name: string; readonly status: number }
  | { readonly type: 'dataRead'; readonly offset: bigint; readonly length: bigint }
  | { readonly type: 'ended'; readonly reason: number; readonly env: readonly Pval[] };
