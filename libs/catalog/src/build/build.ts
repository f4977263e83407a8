// One build from spool to Parquet file, in this process. `startBuild` runs it in a child; tests call it here.
// It promises all or nothing: `outPath` is the finished, synced file, or it is as it was before.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import { StatusError } from '@tapestry/status';
import { asCatalogError, isOutOfMemory, openEngine } from '../duckdb.ts';
import { normalizePath } from '../path-text.ts';
import { type JoinFindings, joinHistory, LOST_NAME, writeFileList } from './join.ts';
import type { BuildProgress, BuildRequest, BuildResult } from './request.ts';
import { type Staged, stageSpool } from './staging.ts';

export const MEMORY_LIMIT_DEFAULT_BYTES = 512 * 1024 * 1024;
/** What the process needs beside DuckDB's own accounting: the runtime, the library, buffers in flight. */
const MEMORY_OUTSIDE_BYTES = 320 * 1024 * 1024;
const ENGINE_MEMORY_MIN_BYTES = 128 * 1024 * 1024;
const MEMORY_FACTOR_MAX = 4;
const THREADS_DEFAULT = 2;
const PROGRESS_EVERY_MS = 500;

/**
 * Builds the file list. Safe to run again after any crash, and while a killed build of the same `outPath` still ends:
 * the result is the same byte for byte. Errors: imageInconsistent (spool incomplete), fileOpenFailed,
 * fileReadFailed, fileWriteFailed, systemCallFailed (out of memory or space), invalidParameter (prefix).
 */
export async function buildFileList(
  request: BuildRequest,
  onProgress: (progress: BuildProgress) => void = () => {},
): Promise<BuildResult> {
  const prefix = normalizePath(request.prefix);
  if (prefix === undefined) {
    throw new StatusError('invalidParameter', `the prefix ${request.prefix} is not a path`);
  }
  await removeLeftovers(request.outPath);
  const workFolder = await mkdtemp(workPrefix(request.outPath)).catch((cause: Error) => {
    throw new StatusError('fileWriteFailed', `${request.outPath}: ${cause.message}`, {}, { cause });
  });
  try {
    const staged = await stage({ ...request, prefix }, workFolder, onProgress);
    const listPath = join(workFolder, 'list.parquet');
    const findings = await joinInMemory({ ...request, prefix }, staged, listPath, onProgress);
    return await publish(request.outPath, listPath, {
      ...findings.totals,
      warnings: warningsOf(request, staged, findings),
      onProgress,
    });
  } catch (error) {
    throw asCatalogError(error, 'building the file list');
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}

function workPrefix(outPath: string): string {
  return `${outPath}.work-`;
}

/** Folders of builds that were killed. One that still ends may write into its own: the next build takes what stays. */
async function removeLeftovers(outPath: string): Promise<void> {
  const prefix = basename(workPrefix(outPath));
  const names = await readdir(dirname(outPath)).catch(() => []);
  for (const name of names) {
    if (!name.startsWith(prefix)) continue;
    await rm(join(dirname(outPath), name), { recursive: true, force: true }).catch(() => undefined);
  }
}

async function stage(
  request: BuildRequest,
  workFolder: string,
  onProgress: (progress: BuildProgress) => void,
): Promise<Staged> {
  const total = await stat(request.spoolPath).then(
    (found) => found.size,
    () => 0, // the scan reports a missing spool better
  );
  onProgress({ phase: 'read', done: 0, total });
  const staged = await stageSpool(request.spoolPath, workFolder, {
    prefix: request.prefix,
    onRead: throttled((done: number) => onProgress({ phase: 'read', done, total })),
  });
  if (!staged.end.complete && request.incompleteSpool !== 'use') {
    const { validBytes, tornBytes } = staged.end;
    throw new StatusError(
      'imageInconsistent',
      `the history spool was not closed: ${validBytes} bytes are whole, ${tornBytes} torn`,
    );
  }
  return staged;
}

interface Totals {
  readonly rows: number;
  readonly entries: number;
  readonly bytes: bigint;
}

interface Joined extends JoinFindings {
  readonly totals: Totals;
  readonly engineMemoryBytes: number;
}

/**
 * A join that DuckDB cannot do in the memory it was given is done again with more: a file list that needs twice
 * the memory is better than a backup that nobody can restore from.
 */
async function joinInMemory(
  request: BuildRequest,
  staged: Staged,
  listPath: string,
  onProgress: (progress: BuildProgress) => void,
): Promise<Joined> {
  for (let factor = 1; ; factor *= 2) {
    const engineMemoryBytes = engineMemoryOf(request) * factor;
    try {
      const joined = await joinAndWrite(request, staged, {
        listPath,
        engineMemoryBytes,
        onProgress,
      });
      return { ...joined, engineMemoryBytes };
    } catch (error) {
      if (factor >= MEMORY_FACTOR_MAX || !isOutOfMemory(error)) throw error;
      await rm(listPath, { force: true });
    }
  }
}

function engineMemoryOf(request: BuildRequest): number {
  const limitBytes = request.memoryLimitBytes ?? MEMORY_LIMIT_DEFAULT_BYTES;
  return Math.max(ENGINE_MEMORY_MIN_BYTES, limitBytes - MEMORY_OUTSIDE_BYTES);
}

async function joinAndWrite(
  request: BuildRequest,
  staged: Staged,
  options: {
    listPath: string;
    engineMemoryBytes: number;
    onProgress: (progress: BuildProgress) => void;
  },
): Promise<JoinFindings & { totals: Totals }> {
  const { listPath, onProgress } = options;
  const engine = await openEngine({
    memoryLimitBytes: options.engineMemoryBytes,
    threads: request.threads ?? THREADS_DEFAULT,
    spillFolder: join(dirname(listPath), 'spill'),
    spillLimitBytes: request.spillLimitBytes ?? 0,
  });
  try {
    const connection = await engine.connect();
    onProgress({ phase: 'join', done: 0, total: 1 });
    const findings = await joinHistory(connection, staged, request.prefix);
    onProgress({ phase: 'write', done: 0, total: 100 });
    const watch = setInterval(() => {
      const percent = Math.max(0, connection.progress.percentage);
      onProgress({ phase: 'write', done: percent, total: 100 });
    }, PROGRESS_EVERY_MS);
    try {
      const { pathsCarryPrefix } = staged;
      await writeFileList(connection, listPath, { prefix: request.prefix, pathsCarryPrefix });
    } finally {
      clearInterval(watch);
    }
    return { ...findings, totals: await readTotals(connection, listPath) };
  } finally {
    await engine.close();
  }
}

/** Counts in the written file, not in what was meant to be written. */
async function readTotals(connection: DuckDBConnection, path: string): Promise<Totals> {
  const reader = await connection.runAndReadAll(
    `SELECT count(*), count(*) FILTER (saved),
      coalesce(sum(size) FILTER (saved AND type = 'file'), 0)::HUGEINT FROM read_parquet($path)`,
    { path },
  );
  const [rows, entries, bytes] = reader.getRows()[0] as [bigint, bigint, bigint];
  return { rows: Number(rows), entries: Number(entries), bytes };
}

async function publish(
  outPath: string,
  listPath: string,
  facts: Totals & {
    warnings: readonly string[];
    onProgress: (progress: BuildProgress) => void;
  },
): Promise<BuildResult> {
  const { onProgress, ...rest } = facts;
  const { size: sizeBytes } = await stat(listPath);
  onProgress({ phase: 'digest', done: 0, total: sizeBytes });
  const hash = createHash('sha256');
  await pipeline(createReadStream(listPath), hash);
  await syncPath(listPath);
  await rename(listPath, outPath);
  await syncPath(dirname(outPath));
  return { ...rest, sha256: hash.digest('hex'), sizeBytes };
}

async function syncPath(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function warningsOf(request: BuildRequest, staged: Staged, findings: Joined): string[] {
  const warnings: string[] = [];
  if (findings.engineMemoryBytes > engineMemoryOf(request)) {
    const size = Math.round(findings.engineMemoryBytes / 1024 / 1024);
    warnings.push(`the join needed more memory than its limit: ${size} MiB for its engine`);
  }
  if (!staged.end.complete) {
    warnings.push(`the spool was not closed; ${staged.end.tornBytes} torn bytes were left out`);
  }
  if (staged.ignored > 0) warnings.push(`${staged.ignored} names are no names and were left out`);
  if (staged.pathsCarryPrefix) {
    warnings.push('every path came with the prefix in front; it was not put there twice');
  }
  if (findings.orphans > 0) {
    warnings.push(`${findings.orphans} directories without a way to the root: see ${LOST_NAME}`);
  }
  if (findings.strays > 0)
    warnings.push(`${findings.strays} nodes without a name: see ${LOST_NAME}`);
  return warnings;
}

function throttled<T>(report: (value: T) => void): (value: T) => void {
  let lastMs = 0;
  return (value) => {
    const nowMs = performance.now();
    if (nowMs - lastMs < PROGRESS_EVERY_MS) return;
    lastMs = nowMs;
    report(value);
  };
}
