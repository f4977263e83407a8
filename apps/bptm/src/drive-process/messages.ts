// What bptm and a drive process say to each other over their channel (Node IPC, structured clone).

import type {
  Address,
  AppendPoint,
  EnvVar,
  Fragment,
  MediaEvent,
  VolumeSpec,
} from '@tapestry/contracts';
import type { IscsiPlace } from '@tapestry/iscsi';
import type { StatusName } from '@tapestry/status';
import type { ImageRecord } from '@tapestry/storage';
import type { ConnectionSpec } from './data-connection.ts';

/** Where fragments are files: a disk storage unit of this host. */
export interface DiskUnit {
  readonly dir: string;
  readonly highWaterPercent: number;
  readonly lowWaterPercent: number;
}

export interface StreamFrame {
  /** Of a tape; of a disk, its folder. */
  readonly drivePath: string;
  /** Set: no tape. The volume then says no more than the unit's label. */
  readonly disk: DiskUnit | null;
  readonly owner: { readonly grantId: string; readonly epoch: bigint };
  readonly volume: VolumeSpec;
  readonly mediaServer: string;
  readonly driveIndex: number;
  readonly connection: ConnectionSpec;
  readonly ringBytes: number;
  /** Module that opens paths of other schemes than the built-in ones, by scheme. */
  readonly driveModules: Readonly<Record<string, string>>;
  /** How this host logs in to iSCSI targets: no secret, but the file that names where they stand. */
  readonly iscsi: IscsiPlace;
  /** The lease's remaining time when the order was given. */
  readonly leaseMs: number;
}

export interface WriteOrder extends StreamFrame {
  readonly mode: 'write';
  readonly image: ImageRecord;
  readonly copy: number;
  readonly software: string;
  readonly blockSizeBytes: number;
  /** 0 for no limit. */
  readonly maxFragmentBytes: bigint;
}

export interface ReadOrder extends StreamFrame {
  readonly mode: 'read';
  readonly backupId: string;
  readonly fragments: readonly Fragment[];
}

/** A label is written; no data moves. */
export interface LabelOrder extends StreamFrame {
  readonly mode: 'label';
  /** What is on the tape may be lost, unless it is `kept`. */
  readonly overwrite: boolean;
  readonly erase: 'no' | 'short' | 'long';
  /** Volumes that hold unexpired images: a tape that carries the label of one is never written. */
  readonly kept: readonly string[];
}

export type Order = WriteOrder | ReadOrder | LabelOrder;

/** The data server is done: what it sent, and the environment that it left. */
export interface Finish {
  readonly expectedBytes: bigint;
  readonly env: readonly EnvVar[];
}

/** Bytes of the stream that a data server asks for. */
export interface Range {
  readonly offset: bigint;
  readonly length: bigint;
}

export type ToDrive =
  | { readonly type: 'start'; readonly order: Order }
  | { readonly type: 'lease'; readonly validForMs: number }
  | ({ readonly type: 'finish' } & Finish)
  | ({ readonly type: 'range'; readonly sequence: number } & Range)
  /** Only while it listens. `connected` or `dialFailed` follows. */
  | { readonly type: 'dial'; readonly sequence: number; readonly addresses: readonly Address[] }
  /** Answers `volumeNeeded`: it is in the drive. */
  | ({ readonly type: 'volume' } & NextVolume)
  | { readonly type: 'abort'; readonly reason: string };

/** To a process whose drive several streams share: each is started, and hears all else, by its number (from 1). */
export type ToSharedDrive =
  | { readonly type: 'member'; readonly member: number; readonly message: ToDrive }
  /** The last stream is over: give the drive back and go. */
  | { readonly type: 'leave' };

export type FromSharedDrive =
  | { readonly type: 'warm' }
  | { readonly type: 'member'; readonly member: number; readonly report: FromDrive }
  /** The stream is over, either way; nothing more is told of it. */
  | { readonly type: 'memberEnded'; readonly member: number };

/** Another volume in the drive of the stream. */
export interface NextVolume {
  readonly drivePath: string;
  readonly volume: VolumeSpec;
}

export interface Failure {
  readonly status: StatusName;
  readonly detail: string;
}

export type FromDrive =
  | { readonly type: 'warm' }
  /** The label is as expected (or was written), the tape stands where the work begins. A disk has no label: null. */
  | { readonly type: 'positioned'; readonly labelled: boolean | null; readonly fileNumber: number }
  | { readonly type: 'listening'; readonly port: number }
  /** Another host's mover listens, at these addresses or for its own data service alone. */
  | {
      readonly type: 'moverListening';
      readonly addresses: readonly Address[];
      readonly local: boolean;
    }
  | { readonly type: 'connected'; readonly peer: string; readonly by: 'filer' | 'us' }
  | { readonly type: 'stranger'; readonly address: string }
  /** The filer named this address, but it is not its host's. */
  | { readonly type: 'notDialled'; readonly address: string }
  /** The stream goes on listening. */
  | { readonly type: 'dialFailed'; readonly sequence: number; readonly failure: Failure }
  | { readonly type: 'progress'; readonly bytes: bigint }
  | { readonly type: 'endOfStream'; readonly bytes: bigint }
  | {
      readonly type: 'fragmentClosed';
      readonly fragment: Fragment;
      readonly append: AppendPoint;
    }
  | { readonly type: 'mediaEvent'; readonly event: MediaEvent; readonly detail: string }
  /** A label was written over what was found there, in words. */
  | { readonly type: 'labelled'; readonly over: string; readonly erased: boolean }
  /** What the drive said of itself and its volume, before it is given back. */
  | { readonly type: 'tapeAlerts'; readonly flags: readonly number[] }
  /**
   * The image goes on upon another volume; the drive was given back for it, and `volume` is waited for. To read, the one
   * that holds what comes next; to write, any. `refused`: why the one that was brought last is not written.
   */
  | {
      readonly type: 'volumeNeeded';
      readonly mediaId: string;
      readonly refused: Failure | null;
    }
  /** Of a stream that shares its drive: others brought this volume. */
  | { readonly type: 'volumeIs'; readonly volume: VolumeSpec; readonly number: number }
  /** Everything is closed; the drive was given back. The process ends by itself. */
  | { readonly type: 'finished'; readonly bytes: bigint }
  /** The stream is over without success. The drive is given back, and the process ends by itself. */
  | { readonly type: 'failed'; readonly failure: Failure; readonly bytes: bigint };
