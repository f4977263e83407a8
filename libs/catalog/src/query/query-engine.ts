// One DuckDB instance behind all queries of a process: opened at the first query, closed when idle.
// A query has a deadline and can be aborted; few run at once, a bounded number waits.

import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api';
import { StatusError } from '@tapestry/status';
import { asCatalogError, type Engine, openEngine, type Params } from '../duckdb.ts';

export interface QueryEngineOptions {
  readonly memoryLimitBytes: number;
  readonly threads: number;
  readonly spillFolder: string;
  readonly queriesMax: number;
  readonly waitingMax: number;
  readonly queryTimeoutMs: number;
  readonly idleMs: number;
}

export type Row = readonly DuckDBValue[];

interface Query {
  readonly sql: string;
  readonly params: Params;
  readonly signal?: AbortSignal | undefined;
  /** Instead of the engine's own. */
  readonly timeoutMs?: number;
}

export class QueryEngine {
  readonly #options: QueryEngineOptions;
  #engine: Promise<Engine> | undefined;
  /** The end of the engine before: two of them would share a spill folder, which the one that goes removes. */
  #closing: Promise<void> = Promise.resolve();
  #active = 0;
  #waiting: (() => void)[] = [];
  #idleTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: QueryEngineOptions) {
    this.#options = options;
  }

  /** All rows of a query that bounds its own result. */
  async rows(query: Query): Promise<Row[]> {
    const rows: Row[] = [];
    for await (const batch of this.batches(query)) rows.push(...batch);
    return rows;
  }

  /** Rows in batches of at most 2048, as they are made. Leaving the loop early ends the query. */
  async *batches({ sql, params, signal, ...query }: Query): AsyncGenerator<Row[]> {
    await this.#enter();
    let connection: DuckDBConnection | undefined;
    let stopped: StatusError | undefined;
    const stop = (error: StatusError) => {
      stopped ??= error;
      connection?.interrupt();
    };
    // The deadline is for DuckDB's work between two batches; a slow consumer has its own.
    const timeoutMs = query.timeoutMs ?? this.#options.queryTimeoutMs;
    const overdue = new StatusError('requestTimedOut', `a query ran ${timeoutMs} ms`);
    let timer = setTimeout(stop, timeoutMs, overdue);
    const onAbort = () => stop(new StatusError('cancelled', 'the query was aborted'));
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    try {
      connection = await (await this.#open()).connect();
      if (stopped) throw stopped;
      const result = await connection.stream(sql, params);
      for (let rows = await nextRows(result); rows.length > 0; rows = await nextRows(result)) {
        if (stopped) throw stopped;
        clearTimeout(timer);
        yield rows;
        timer = setTimeout(stop, timeoutMs, overdue);
      }
      if (stopped) throw stopped;
    } catch (error) {
      throw stopped ?? asCatalogError(error, 'reading file lists');
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      connection?.closeSync();
      this.#leave();
    }
  }

  /** A list as one bound parameter. */
  async listOf(values: readonly DuckDBValue[]): Promise<DuckDBValue> {
    return (await this.#open()).listOf(values);
  }

  /** Queries that run end first. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const next of this.#waiting.splice(0)) next();
    while (this.#active > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await this.#shut();
  }

  async #enter(): Promise<void> {
    clearTimeout(this.#idleTimer);
    const { queriesMax, waitingMax } = this.#options;
    if (this.#active >= queriesMax) {
      if (this.#waiting.length >= waitingMax) {
        throw new StatusError(
          'cannotProcess',
          `${waitingMax} queries over file lists wait already`,
        );
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#active++;
    }
    if (this.#closed) {
      this.#leave();
      throw new StatusError('cancelled', 'the file list reader was closed');
    }
  }

  /** Hands the place to the next one that waits, or gives it up. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next) {
      next();
      return;
    }
    this.#active--;
    if (this.#active > 0) return;
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => void this.#shut().catch(() => {}), this.#options.idleMs);
    this.#idleTimer.unref();
  }

  #open(): Promise<Engine> {
    const { memoryLimitBytes, threads, spillFolder } = this.#options;
    this.#engine ??= this.#closing.then(() =>
      openEngine({ memoryLimitBytes, threads, spillFolder, spillLimitBytes: 0 }),
    );
    this.#engine.catch(() => {
      this.#engine = undefined;
    });
    return this.#engine;
  }

  async #shut(): Promise<void> {
    clearTimeout(this.#idleTimer);
    const engine = this.#engine;
    this.#engine = undefined;
    const closed = this.#closing.then(async () => (await engine)?.close());
    this.#closing = closed.catch(() => {});
    await closed;
  }
}

async function nextRows(result: Awaited<ReturnType<DuckDBConnection['stream']>>): Promise<Row[]> {
  const chunk = await result.fetchChunk();
  return chunk && chunk.rowCount > 0 ? chunk.getRows() : [];
}
