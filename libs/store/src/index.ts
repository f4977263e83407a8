export { answerOnce } from './answers.ts';
export type { StoreAddress, StoreConnection, StoreTls } from './connection.ts';
export type { Backoff } from './core/backoff.ts';
export type { LeaseState } from './core/lease.ts';
export { isDatabaseUnavailable, isUniqueViolation } from './database-error.ts';
export {
  type EffectHandler,
  type EffectHandlers,
  EffectRunner,
  type EffectRunnerOptions,
  type EffectTry,
  type FollowedHandlers,
  type FollowUp,
  type PermanentFailure,
} from './effect-runner.ts';
export { type EffectKinds, Effects, type NewEffect } from './effects.ts';
export { type HousekeepingOptions, purge, startHousekeeping } from './housekeeping.ts';
export { fromJson, toJsonText } from './json-value.ts';
export {
  type LeaderGate,
  Leadership,
  type LeadershipOptions,
  StaleEpoch,
} from './leadership.ts';
export type { Migration, Migrations } from './migrate.ts';
export {
  type PrimaryContext,
  type PrimaryOptions,
  type Stoppable,
  startPrimary,
} from './primary.ts';
export {
  afterCommit,
  openStore,
  type PoolCounts,
  type Store,
  type StoreLog,
  type StoreOptions,
} from './store.ts';
export { databaseNowMs, epochMs } from './time.ts';
