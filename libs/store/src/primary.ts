// What every leader among the primary daemons does in the same way: open its store, seek the lease, serve only
// while it leads, and show both in its health. It promises that a standby never answers a call.

import { StatusError } from '@tapestry/status';
import { Leadership } from './leadership.ts';
import type { Migrations } from './migrate.ts';
import { openStore, type Store, type StoreLog } from './store.ts';

/** The part of a daemon's context that is needed: @tapestry/runtime's DaemonContext fits. */
export interface PrimaryContext {
  readonly base: {
    readonly instance: string;
    readonly databaseUrl?: string | undefined;
    readonly databasePasswordFile?: string | undefined;
  };
  readonly log: StoreLog;
  readonly health: {
    ready(): void;
    notReady(reason: string): void;
    leader(isLeader: boolean): void;
  };
}

export interface Stoppable {
  stop(): Promise<void>;
}

export interface PrimaryOptions<DB> {
  readonly context: PrimaryContext;
  /** The daemon's name. */
  readonly schema: string;
  readonly migrations: Migrations;
  readonly poolMax?: number | undefined;
  /** Runs once, when this instance has become the leader: reconciles, starts its loops, serves its methods. */
  lead(parts: { store: Store<DB>; leadership: Leadership<DB>; epoch: bigint }): Promise<Stoppable>;
}

const WATCH_MS = 100;

/** Errors: 220 when the database did not answer for a minute; 152 when no database is configured. */
export async function startPrimary<DB>(options: PrimaryOptions<DB>): Promise<Stoppable> {
  const { context } = options;
  const store = await openStore<DB>({
    connection: connectionOf(context),
    schema: options.schema,
    migrations: options.migrations,
    log: context.log,
    poolMax: options.poolMax,
  });
  let leading: Stoppable | undefined;
  const leadership = new Leadership<DB>(store, {
    instance: context.base.instance,
    onLeader: async (epoch) => {
      leading = await options.lead({ store, leadership, epoch });
    },
    onLost: (epoch) => {
      // The supervisor starts a fresh process, which is a standby then.
      queueMicrotask(() => {
        throw new Error(`${options.schema}: another instance leads after epoch ${epoch}`);
      });
    },
  });
  context.health.notReady('waits for the lease');
  leadership.start();
  const watch = setInterval(() => showState(context, leadership), WATCH_MS);
  return {
    stop: async () => {
      clearInterval(watch);
      await leading?.stop();
      await leadership.stop();
      await store.close();
    },
  };
}

function connectionOf({ base }: PrimaryContext): { url: string; passwordFile?: string } {
  if (base.databaseUrl === undefined) {
    throw new StatusError('requiredValueNotSet', 'TAPESTRY_DATABASE_URL names no database');
  }
  const { databasePasswordFile: passwordFile } = base;
  return { url: base.databaseUrl, ...(passwordFile === undefined ? {} : { passwordFile }) };
}

function showState<DB>({ health }: PrimaryContext, leadership: Leadership<DB>): void {
  const state = leadership.state();
  health.leader(state === 'leader');
  if (state === 'leader') health.ready();
  else if (state === 'standby') health.notReady('standby: does not lead (yet)');
  else health.notReady('the database cannot be reached');
}
