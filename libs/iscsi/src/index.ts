// The public list of @tapestry/iscsi.

export {
  type ChangerTimeouts,
  type MediaChangerOptions,
  openMediaChanger,
} from './device/media-changer.ts';
export { openTapeDrive, type TapeDriveOptions } from './device/tape-drive.ts';
export type { TapeTimeouts } from './device/tape-unit.ts';
export { listUnits, type TargetUnit } from './device/units.ts';
export { IscsiError, type IscsiFailure, toStatusError } from './iscsi-error.ts';
export type { ChapCredentials, ChapHash } from './login/chap.ts';
export type { DigestChoice, Negotiated } from './login/operational-keys.ts';
export type { ConnectionTimeouts } from './net/connection.ts';
export {
  discoverTargets,
  IscsiSession,
  type PortalOptions,
  type SessionOptions,
} from './net/iscsi-session.ts';
export { makeIsid } from './net/isid.ts';
export {
  parseTapeAlertPage,
  TAPE_ALERT_SENSE,
  TAPE_ALERT_SENSE_BYTES,
} from './scsi/tape-alert.ts';
export {
  SCSI_STATUS,
  type ScsiRequest,
  type ScsiResult,
  type ScsiTransport,
} from './scsi/transport.ts';
export type { Portal, TargetRecord } from './session/send-targets.ts';
export type { AsyncEvent } from './session/target-messages.ts';
export {
  type IscsiPath,
  iscsiPath,
  isIscsiPath,
  parseIscsiPath,
  parsePortal,
  portalText,
} from './site/device-path.ts';
export {
  awaitIscsiDrive,
  describeIscsiDevice,
  ejectFromIscsiDrive,
  openIscsiDrive,
  openIscsiLibrary,
  type ProbedTarget,
  probePortal,
} from './site/open-devices.ts';
export { type IscsiPlace, iscsiPlace } from './site/site-file.ts';
