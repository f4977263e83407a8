// The gate before every change: closed while a quiesce call lives. The calls are on the disk before they are answered,
// so the gate stays closed over any end of the daemon. The files' modes show it to people; they are not what holds.

import { randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { StatusError } from '@tapestry/status';
import { endLease, expireLeases, type Lease, takeLease, UNKNOWN_LEASE } from '../core/leases.ts';
import type { FilePort } from './file-port.ts';
import type { KeyFilePaths } from './key-files.ts';
import { readSmallFile, removeSmallFile, writeSmallFile } from './small-file.ts';

const OPEN_MODE = 0o600;
const CLOSED_MODE = 0o400;

export interface LeaseRequest {
  readonly name: string;
  readonly by: string;
  /** 0: until it is ended. */
  readonly ttlMs: number;
  readonly generation: bigint;
}

export interface Gate {
  readonly leases: readonly Lease[];
  /** Errors: 1204, saying whose calls hold it. */
  requireOpen(): void;
  /** Errors: 1206, 1209. */
  take(request: LeaseRequest, nowMs: number): Promise<Lease>;
  /** Errors: 1205, 1206. */
  end(name: string): Promise<Lease>;
  /** Errors: 1205. */
  endAll(): Promise<readonly Lease[]>;
  /** Ends those whose time is over, and says which. */
  expire(nowMs: number): Promise<readonly Lease[]>;
}

/** Takes up the calls of the life before, and sets the modes right. */
export async function openGate(files: FilePort, paths: KeyFilePaths): Promise<Gate> {
  const path = join(paths.dbDir, 'KMS_QSC.dat');
  const read = readSmallFile(path, isLeases);
  let leases: readonly Lease[] = read === null ? [UNKNOWN_LEASE] : (read ?? []);
  const keep = async (next: readonly Lease[]): Promise<void> => {
    // Closing: the calls first, then the modes. Opening: the modes first. So the file decides after any crash.
    if (next.length > 0) await writeSmallFile(files, path, next);
    await setModes(files, paths, next.length === 0 ? OPEN_MODE : CLOSED_MODE);
    if (next.length === 0) await removeSmallFile(files, path);
    leases = next;
  };
  await setModes(files, paths, leases.length === 0 ? OPEN_MODE : CLOSED_MODE);

  return {
    get leases() {
      return leases;
    },
    requireOpen() {
      if (leases.length === 0) return;
      const owners = leases.map(({ name, by }) => (name === '' ? by : `${name} of ${by}`));
      const why = `${leases.length} quiesce calls are outstanding (${owners.slice(0, 5).join(', ')})`;
      throw new StatusError('kmsQuiesced', `${why}: end them with nbkmsutil -unquiescedb`);
    },
    async take({ name, by, ttlMs, generation }, nowMs) {
      const endsMs = ttlMs === 0 ? 0 : nowMs + ttlMs;
      const lease: Lease = {
        ...{ id: randomUUID(), name, by, startedMs: nowMs, endsMs },
        generation: String(generation),
      };
      await keep(takeLease(leases, lease));
      return lease;
    },
    async end(name) {
      const { leases: left, ended } = endLease(leases, name);
      await keep(left);
      return ended;
    },
    async endAll() {
      if (leases.length === 0) throw new StatusError('kmsNotQuiesced', 'there is no quiesce call');
      const ended = leases;
      await keep([]);
      return ended;
    },
    async expire(nowMs) {
      const { leases: left, expired } = expireLeases(leases, nowMs);
      if (expired.length > 0) await keep(left);
      return expired;
    },
  };
}

async function setModes(files: FilePort, paths: KeyFilePaths, mode: number): Promise<void> {
  for (const path of [paths.data, paths.kpk, paths.hmk]) {
    if ((statSync(path).mode & 0o777) !== mode) await files.chmod(path, mode);
  }
}

function isLeases(value: unknown): value is readonly Lease[] {
  return (
    Array.isArray(value) &&
    value.every(
      (lease: Partial<Lease>) =>
        typeof lease.id === 'string' &&
        typeof lease.name === 'string' &&
        typeof lease.endsMs === 'number',
    )
  );
}
