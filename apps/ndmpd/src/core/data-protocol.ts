// What the session and its data worker say to each other. The worker owns the data connection and the
// files; the session owns the control connection. A shared counter carries the bytes moved.

import type { HistoryKind, NameEntry, Pval, TcpEndpoint } from '@tapestry/ndmp';
import type { HistoryForm } from './operation-env.ts';

export interface BackupOrder {
  readonly type: 'backup';
  readonly exportDirectory: string;
  /** How the DMA calls the backup root; for messages. */
  readonly shownRoot: string;
  readonly components: readonly Uint8Array[];
  readonly history: HistoryForm;
  /** Only what changed at or after this; undefined for everything. */
  readonly sinceNs: bigint | undefined;
}

export interface RecoverOrder {
  readonly type: 'recover';
  readonly exports: readonly { readonly name: string; readonly directory: string }[];
  readonly filesystem: string;
  readonly names: readonly NameEntry[];
  readonly version: number;
  readonly direct: boolean;
  readonly recursive: boolean;
  readonly imageBytes: bigint | undefined;
  readonly readAlignBytes: number;
  /** Only post the file history of what is in the image. */
  readonly listOnly: boolean;
  readonly history: HistoryForm;
}

export type WorkerCommand =
  /** One BigInt64 that counts stream bytes moved; comes first. One worker, one data connection. */
  | { readonly type: 'setUp'; readonly progress: SharedArrayBuffer }
  | { readonly type: 'listen'; readonly host: string }
  | { readonly type: 'dial'; readonly endpoints: readonly TcpEndpoint[] }
  | BackupOrder
  | RecoverOrder
  /** The control connection took this many posts: room for more. */
  | { readonly type: 'taken'; readonly posts: number };

export type WorkerReport =
  | { readonly type: 'listening'; readonly port: number }
  | { readonly type: 'connected'; readonly host: string; readonly port: number }
  | { readonly type: 'connectFailed'; readonly text: string }
  | { readonly type: 'history'; readonly kind: HistoryKind; readonly body: Uint8Array }
  | { readonly type: 'log'; readonly logType: number; readonly entry: string }
  | { readonly type: 'file'; readonly name: string; readonly status: number }
  | { readonly type: 'dataRead'; readonly offset: bigint; readonly length: bigint }
  | { readonly type: 'ended'; readonly reason: number; readonly env: readonly Pval[] };
