// Calls from the process's main thread to its drive thread: of each stream one at a time, each answered or failed.

import { Worker } from 'node:worker_threads';
import type { EnvVar } from '@tapestry/contracts';
import { isStatusName, StatusError, type StatusName } from '@tapestry/status';
import type { ReadSoFar } from './fragment-source.ts';
import type { Written } from './fragment-target.ts';
import type { FromDrive, LabelOrder, NextVolume, ReadOrder, WriteOrder } from './messages.ts';
import type { RingMemory } from './ring.ts';

/** What the drive thread does. Each is called after the one before has settled. */
export interface DriveCalls {
  /** First of all: the memory through which the stream's blocks go. */
  useRing(memory: RingMemory): null;
  openForWrite(order: WriteOrder): { labelled: boolean | null; fileNumber: number };
  openForRead(order: ReadOrder): { fileNumber: number };
  /** Takes all blocks from the ring until its end, or until the medium is full. */
  writeStream(): Written;
  /** After `closeDrive`: the image goes on upon the volume that is in the drive now. */
  openNext(next: NextVolume): { labelled: boolean; fileNumber: number };
  /** Closes the last fragment: trailer, filemark, synchronised. */
  closeFragment(ended: { env: readonly EnvVar[] }): null;
  /** Fills the ring with that part of the image, as far as it is on the mounted volume. Errors: 85, 86, 94. */
  readRange(range: { offset: bigint; length: bigint }): ReadSoFar;
  /** Errors: see `labelMedium`. */
  labelMedium(order: LabelOrder): null;
  closeDrive(): null;
}

export type DriveCall = keyof DriveCalls;

/** As the thread answers them. */
export type ThreadCalls = {
  [C in DriveCall]: (...argument: Parameters<DriveCalls[C]>) => Promise<ReturnType<DriveCalls[C]>>;
};

/** Of the thread, what a single stream needs. */
export interface DriveLink {
  call<C extends DriveCall>(
    name: C,
    ...argument: Argument<C> extends undefined ? [] : [Argument<C>]
  ): Promise<ReturnType<DriveCalls[C]>>;
}

export interface ThreadRequest {
  readonly id: number;
  /** Which of the streams that share the drive asks; 0: the drive's only one. */
  readonly member: number;
  readonly call: DriveCall;
  readonly argument: unknown;
}

export type ThreadMessage =
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | {
      readonly kind: 'error';
      readonly id: number;
      readonly status: StatusName;
      readonly detail: string;
    }
  | { readonly kind: 'report'; readonly member: number; readonly report: FromDrive };

type Argument<C extends DriveCall> = Parameters<DriveCalls[C]> extends [infer A] ? A : undefined;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class ThreadLink implements DriveLink {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #ended: Error | undefined;

  /** Starts the thread: long before there is a stream, since it takes longer than all else that a stream waits for. */
  constructor(onReport: (report: FromDrive, member: number) => void) {
    this.#worker = new Worker(new URL('./drive-thread.ts', import.meta.url));
    this.#worker.on('message', (message: ThreadMessage) => {
      if (message.kind === 'report') onReport(message.report, message.member);
      else this.#settle(message);
    });
    this.#worker.on('error', (error) => this.#end(error));
    this.#worker.on('exit', () => this.#end(new Error('the drive thread ended')));
  }

  call<C extends DriveCall>(
    name: C,
    ...argument: Argument<C> extends undefined ? [] : [Argument<C>]
  ): Promise<ReturnType<DriveCalls[C]>> {
    return this.#ask(0, name, argument[0]);
  }

  /** The same for one of several streams; their calls do not wait for each other. */
  of(member: number): DriveLink {
    return { call: (name, ...argument) => this.#ask(member, name, argument[0]) };
  }

  #ask<C extends DriveCall>(
    member: number,
    name: C,
    argument: unknown,
  ): Promise<ReturnType<DriveCalls[C]>> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    const request: ThreadRequest = { id, member, call: name, argument };
    this.#worker.postMessage(request);
    return answer as Promise<ReturnType<DriveCalls[C]>>;
  }

  #settle(message: ThreadMessage & { kind: 'answer' | 'error' }): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.kind === 'answer') waiting?.resolve(message.value);
    else {
      const status = isStatusName(message.status) ? message.status : 'tapeMgrSystemError';
      waiting?.reject(new StatusError(status, message.detail));
    }
  }

  #end(error: Error): void {
    this.#ended ??= new StatusError('tapeMgrSystemError', error.message, {}, { cause: error });
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}
