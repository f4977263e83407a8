export {
  asStatusError,
  fromWire,
  type StatusContext,
  StatusError,
  toWire,
  type WireStatus,
} from './status-error.ts';
export {
  exitCode,
  isStatusName,
  type Retry,
  STATUS,
  type StatusName,
  type StatusRow,
  statusByCode,
} from './table.ts';
