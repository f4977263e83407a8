export type {
  Bus,
  BusLog,
  Call,
  CallOptions,
  Client,
  EventInfo,
  Handlers,
  Server,
  Subscription,
} from './bus.ts';
export { type ConnectOptions, connectBus } from './connect.ts';
export { PROVISION_USER, type ProvisionOptions, provisionStreams } from './provision.ts';
export type { ServeMetrics } from './server.ts';
export { authorizationConfig, type BusUser } from './server-config.ts';
