// Brings the database and the bus to what the daemons expect: roles and schemas, streams and consumers. May be repeated.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { provisionStreams } from '@tapestry/bus';
import { type Address, provision } from '@tapestry/servers';
import { DATABASE_ADMIN, databaseRoles } from './secret-store.ts';
import { POSTGRES_PORT } from './services.ts';

export interface ServersPlan {
  /** Folder with the files that `provision` is given. */
  readonly secretsDir: string;
  readonly natsUrl: string;
  /** Copies of each stream. */
  readonly replicas: number;
  readonly databaseHost: string;
  readonly databaseAdmin?: string;
  /** How long servers that are not there yet are waited for. */
  readonly waitMs: number;
  readonly say: (text: string) => void;
}

export async function provisionServers(plan: ServersPlan): Promise<void> {
  await repeat(plan, 'the database', () => provisionDatabase(plan));
  await repeat(plan, 'the bus', () => provisionBus(plan));
}

const read = (plan: ServersPlan, name: string): string =>
  readFileSync(join(plan.secretsDir, name), 'utf8');

async function provisionDatabase(plan: ServersPlan): Promise<void> {
  const address = (user = plan.databaseAdmin ?? DATABASE_ADMIN, database = 'postgres'): Address => {
    const tls = { ssl: { ca: read(plan, 'database-ca.pem') } };
    return { host: plan.databaseHost, port: POSTGRES_PORT, user, database, ...tls };
  };
  await provision({
    server: { address },
    superuserPassword: read(plan, 'postgres-password').trim(),
    database: 'tapestry',
    roles: databaseRoles().map((name) => ({
      name,
      password: read(plan, `database-password-${name}`).trim(),
    })),
  });
}

function provisionBus(plan: ServersPlan): Promise<void> {
  return provisionStreams({
    url: plan.natsUrl,
    password: read(plan, 'bus-password').trim(),
    ca: read(plan, 'ca.pem'),
    replicas: plan.replicas,
  });
}

async function repeat(plan: ServersPlan, what: string, work: () => Promise<void>): Promise<void> {
  const endMs = Date.now() + plan.waitMs;
  for (;;) {
    try {
      await work();
      plan.say(`${what} is ready`);
      return;
    } catch (error) {
      if (Date.now() > endMs) throw error;
      plan.say(`${what} is not ready yet: ${(error as Error).message}`);
      await sleep(1_000);
    }
  }
}
