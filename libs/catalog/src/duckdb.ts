// The only place that loads DuckDB: at first use, because it is a native library of 70 MB.
// An engine has bounds for memory, threads and spilled bytes, and never reaches for the network.

import { mkdir, rm } from 'node:fs/promises';
import type { DuckDBConnection, DuckDBInstance, DuckDBValue } from '@duckdb/node-api';
import { StatusError } from '@tapestry/status';

export interface EngineOptions {
  readonly memoryLimitBytes: number;
  readonly threads: number;
  /** What does not fit in memory goes here. Made if absent; emptied at the end. */
  readonly spillFolder: string;
  /** 0: 90 % of the free space. */
  readonly spillLimitBytes: number;
}

export type Params = Record<string, DuckDBValue>;

export interface Engine {
  readonly instance: DuckDBInstance;
  readonly connect: () => Promise<DuckDBConnection>;
  readonly listOf: (values: readonly DuckDBValue[]) => DuckDBValue;
  /** Gives the memory back and removes what was spilled. */
  readonly close: () => Promise<void>;
}

export async function openEngine(options: EngineOptions): Promise<Engine> {
  await mkdir(options.spillFolder, { recursive: true, mode: 0o700 });
  const duckdb = await import('@duckdb/node-api');
  const instance = await duckdb.DuckDBInstance.create(':memory:', {
    memory_limit: inMiB(options.memoryLimitBytes),
    threads: String(options.threads),
    temp_directory: options.spillFolder,
    ...(options.spillLimitBytes > 0
      ? { max_temp_directory_size: inMiB(options.spillLimitBytes) }
      : {}),
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
  });
  return {
    instance,
    connect: () => instance.connect(),
    listOf: (values) => duckdb.listValue(values),
    close: async () => {
      instance.closeSync();
      await rm(options.spillFolder, { recursive: true, force: true });
    },
  };
}

/** DuckDB's own errors as the status a user sees; others pass unchanged. */
export function asCatalogError(error: unknown, what: string): unknown {
  if (!(error instanceof Error) || error instanceof StatusError) return error;
  const { message } = error;
  const because = `${what}: ${message.split('\n')[0]}`;
  if (/^(IO Error|Invalid Input Error: (File|No magic)|TProtocol)/.test(message)) {
    const name = /No files found|Cannot open file/.test(message)
      ? 'fileOpenFailed'
      : 'fileReadFailed';
    return new StatusError(name, because, {}, { cause: error });
  }
  if (isOutOfMemory(error)) {
    return new StatusError('systemCallFailed', because, {}, { cause: error });
  }
  return error;
}

export function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Out of Memory Error');
}

function inMiB(sizeBytes: number): string {
  return `${Math.max(1, Math.floor(sizeBytes / 1024 / 1024))}MiB`;
}
