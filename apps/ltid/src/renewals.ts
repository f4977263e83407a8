// Leases renewed at nbrb, all of this host in one call; and the drive reports, told until nbrb answers.

import type { Client } from '@tapestry/bus';
import type { Clock, Logger } from '@tapestry/runtime';
import { type Lease, refOf } from '@tapestry/runtime/fence';
import { untilAnswered } from '@tapestry/runtime/until-answered';
import { asStatusError } from '@tapestry/status';
import type { Config } from './config.ts';
import { validForMs } from './core/drive-row.ts';
import type { Mounts } from './mounts.ts';

export interface RenewalParts {
  readonly mounts: Mounts;
  readonly nbrb: Client<'nbrb'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly host: string;
  readonly config: Readonly<Config>;
  readonly stopping: AbortSignal;
}

/** A writer that asks waits for nbrb at most so long; then it gets what is left of its lease. */
const RENEW_WAIT_MS = 3_000;

export class Renewals {
  readonly #parts: RenewalParts;
  readonly #invalid = new Set<string>();
  #running: Promise<void> | undefined;
  #reportWanted = false;
  #reporting = false;

  constructor(parts: RenewalParts) {
    this.#parts = parts;
  }

  /** The writer of this lease lives. Answers how long it may go on. */
  async renew(lease: Lease, writerPid: number): Promise<{ valid: boolean; validForMs: bigint }> {
    const { mounts, clock, config } = this.#parts;
    const row = mounts.byLease(lease);
    if (row === undefined || this.#invalid.has(lease.grantId)) {
      return { valid: false, validForMs: 0n };
    }
    mounts.apply(row.drive, { type: 'heard', lease, writerPid });
    if (clock.nowMs() - row.renewedMs >= config.renewAfterMs) await this.#renewAll();
    const now = mounts.byLease(lease);
    if (now === undefined || this.#invalid.has(lease.grantId)) {
      return { valid: false, validForMs: 0n };
    }
    const leftMs = validForMs(now, clock.nowMs(), config.leaseT1Ms);
    return { valid: leftMs > 0, validForMs: BigInt(leftMs) };
  }

  /** Tells nbrb of all drives, soon and until it answers. */
  report(): void {
    this.#reportWanted = true;
    if (!this.#reporting) void this.#reportAll();
  }

  async #renewAll(): Promise<void> {
    this.#running ??= this.#askNbrb().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  async #askNbrb(): Promise<void> {
    const { mounts, nbrb, host, log, stopping } = this.#parts;
    const held = mounts.rows.flatMap(({ drive, holder }) =>
      holder === null ? [] : [{ drive, lease: holder }],
    );
    try {
      const grants = held.map(({ lease }) => refOf(lease));
      const { invalid } = await nbrb.RenewGrants(
        { host, grants },
        { deadlineMs: RENEW_WAIT_MS, signal: stopping },
      );
      const refused = new Set(invalid.map(({ grantId }) => grantId));
      for (const { drive, lease } of held) {
        if (refused.has(lease.grantId)) this.#invalid.add(lease.grantId);
        else mounts.apply(drive, { type: 'renewed', lease });
      }
      this.#forgetInvalid();
    } catch (error) {
      if (!stopping.aborted) log.warn({ err: asStatusError(error) }, 'leases were not renewed');
    }
  }

  /** A grant that is not valid stays so for its holder; without a holder nobody asks. */
  #forgetInvalid(): void {
    const { mounts } = this.#parts;
    for (const grantId of this.#invalid) {
      const isHeld = mounts.rows.some(({ holder }) => holder?.grantId === grantId);
      if (!isHeld) this.#invalid.delete(grantId);
    }
  }

  async #reportAll(): Promise<void> {
    const { mounts, nbrb, host, stopping, log } = this.#parts;
    this.#reporting = true;
    while (this.#reportWanted && !stopping.aborted) {
      this.#reportWanted = false;
      try {
        await untilAnswered(
          // Read anew at each attempt: an old report would free or block the wrong drive.
          (signal) => nbrb.ReportDrives({ host, drives: mounts.reports() }, { signal }),
          { signal: stopping },
        );
      } catch (error) {
        if (!stopping.aborted) log.error({ err: error }, 'nbrb refused the report of the drives');
      }
    }
    this.#reporting = false;
  }
}
