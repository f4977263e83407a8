export { defaultCacheDir } from './folders.ts';
export {
  endLeftoverNats,
  findNatsServer,
  type NatsOptions,
  type NatsServer,
  startNats,
} from './nats.ts';
export { freePort, isFreePort } from './ports.ts';
export {
  type Address,
  endLeftoverPostgres,
  type PostgresOptions,
  type PostgresServer,
  startPostgres,
} from './postgres.ts';
export { type DaemonRole, provision } from './provision.ts';
export type { ServerExit } from './server-process.ts';
export {
  type RoleAddress,
  type StatePostgres,
  type StatePostgresOptions,
  startStatePostgres,
} from './state-postgres.ts';
