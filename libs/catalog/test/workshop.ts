// A temporary folder in which a test makes spools and builds file lists, and a raw look into a Parquet file.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { buildFileList } from '../src/build/build.ts';
import type { BuildRequest, BuildResult } from '../src/build/request.ts';
import { HistorySpool } from '../src/spool.ts';

export interface Workshop {
  readonly folder: string;
  readonly newPath: (suffix: string) => string;
  /** Writes a spool with `fill` and closes it. */
  readonly spool: (fill: (spool: HistorySpool) => void | Promise<void>) => Promise<string>;
  /** Spool and build in one go. */
  readonly build: (
    fill: (spool: HistorySpool) => void | Promise<void>,
    options?: Partial<BuildRequest>,
  ) => Promise<BuildResult & { readonly outPath: string }>;
  readonly clear: () => Promise<void>;
}

export async function openWorkshop(): Promise<Workshop> {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-'));
  let made = 0;
  const newPath = (suffix: string) => join(folder, `${made++}.${suffix}`);
  const spool: Workshop['spool'] = async (fill) => {
    const made = await HistorySpool.create(newPath('spool'));
    await fill(made);
    await made.close();
    return made.path;
  };
  return {
    folder,
    newPath,
    spool,
    build: async (fill, options = {}) => {
      const spoolPath = await spool(fill);
      const outPath = newPath('parquet');
      const result = await buildFileList({ spoolPath, outPath, prefix: '/', ...options });
      return { ...result, outPath };
    },
    clear: () => rm(folder, { recursive: true }),
  };
}

/** All rows in the order of the file, as plain objects. */
export async function readParquet(path: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(':memory:');
  try {
    const connection = await instance.connect();
    const reader = await connection.runAndReadAll('SELECT * FROM read_parquet($path)', { path });
    connection.closeSync();
    return reader.getRowObjects();
  } finally {
    instance.closeSync();
  }
}
