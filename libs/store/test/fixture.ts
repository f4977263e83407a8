// One PostgreSQL server a test file, and a new schema a test, so that tests share nothing but the server.

import { startTestPostgres, type TestPostgres } from '@tapestry/testkit';
import { afterAll, beforeAll } from 'vitest';
import { type Migrations, openStore, type Store } from '../src/index.ts';
import { quietLog } from './quiet-log.ts';

export interface Fixture {
  server(): TestPostgres;
  /** A new schema's name. */
  newSchema(): string;
  open<DB>(schema: string, migrations?: Migrations): Promise<Store<DB>>;
}

/** Call it at the top of a test file; stores are closed and the server is ended after its tests. */
export function withPostgres(): Fixture {
  // A machine that is busy with other tests is slow, not wrong.
  let server: TestPostgres | undefined;
  let schemas = 0;
  const stores: { close(): Promise<void> }[] = [];
  beforeAll(async () => {
    server = await startTestPostgres();
  });
  afterAll(async () => {
    for (const store of stores) await store.close();
    await server?.stop();
  });
  return {
    server: () => server as TestPostgres,
    newSchema: () => `t${++schemas}`,
    open: async <DB>(schema: string, migrations: Migrations = {}) => {
      const connection = { url: (server as TestPostgres).url() };
      const store = await openStore<DB>({ connection, schema, migrations, log: quietLog });
      stores.push(store);
      return store;
    },
  };
}
