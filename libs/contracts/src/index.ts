export { EVENTS, SERVICES, type Services } from '../gen/services.ts';
// The one place where a star is right: the generated types are the contract, all of them.
export type * from '../gen/types.ts';
export { type Codec, codec, type Init, type MessageName } from './codec.ts';
export { type Permissions, permissionsOf, type StreamPlan, streamPlans } from './permissions.ts';
export {
  makeReaderKey,
  openBytes,
  type ReaderKey,
  type SealedBytes,
  sealBytes,
} from './sealed-bytes.ts';
export { type NdmpCredential, openCredential, sealCredential } from './sealed-credential.ts';
export { type StartTicket, signStart, verifyStart } from './start-ticket.ts';
export {
  callerToken,
  durableName,
  type EventName,
  eventSubject,
  hostToken,
  type Identity,
  inboxPrefix,
  parseCaller,
  parseRequestSubject,
  requestSubject,
  type ServiceName,
  serveSubject,
  targetOf,
} from './subjects.ts';
