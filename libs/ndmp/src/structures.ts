// The structures that NDMP messages are made of, as codecs. Where v3 and v4 differ on the wire, both
// codecs yield the same value, so that nothing above the message table knows about versions.

import {
  array,
  type Codec,
  fixed,
  type Infer,
  i32,
  mapped,
  opaque,
  struct,
  text,
  trailing,
  u32,
  u64,
} from './codec.ts';
import { AUTH_TYPE, BUTYPE_ATTR, LOG_TYPE, NDMP_ERROR, RECOVERY_STATUS } from './constants.ts';

export const pval = struct({ name: text, value: text });
/** One environment variable or capability. */
export type Pval = Infer<typeof pval>;

export type AuthData =
  | { type: 'none' }
  | { type: 'text'; user: string; password: string }
  | { type: 'md5'; user: string; digest: Buffer }
  | { type: 'unknown'; authType: number };

const textAuth = struct({ user: text, password: text });
const md5Auth = struct({ user: text, digest: fixed(16) });

export const authData: Codec<AuthData> = {
  bytesMin: 4,
  encode(writer, value) {
    writer.i32(value.type === 'unknown' ? value.authType : AUTH_TYPE[value.type]);
    if (value.type === 'text') textAuth.encode(writer, value);
    if (value.type === 'md5') md5Auth.encode(writer, value);
  },
  decode(reader) {
    const authType = reader.i32();
    if (authType === AUTH_TYPE.none) return { type: 'none' };
    if (authType === AUTH_TYPE.text) return { type: 'text', ...textAuth.decode(reader) };
    if (authType === AUTH_TYPE.md5) return { type: 'md5', ...md5Auth.decode(reader) };
    return { type: 'unknown', authType };
  },
};

/** What a server asks of a method: MD5 comes with its 64-byte challenge. */
export interface AuthAttr {
  authType: number;
  challenge?: Buffer;
}

const challenge = fixed(64);
export const authAttr: Codec<AuthAttr> = {
  bytesMin: 4,
  encode(writer, value) {
    writer.i32(value.authType);
    if (value.challenge !== undefined) challenge.encode(writer, value.challenge);
  },
  decode(reader) {
    const authType = reader.i32();
    if (authType !== AUTH_TYPE.md5) return { authType };
    return { authType, challenge: challenge.decode(reader) };
  },
};

export const butypeInfo = struct({ name: text, defaultEnv: array(pval), attrs: u32 });
export type ButypeInfo = Infer<typeof butypeInfo>;

const HISTORY_BACKUP_V3 = 0x0001;
const HISTORY_RECOVER_V3 = 0x0200;
const BOTH_HISTORIES = BUTYPE_ATTR.backupHistoryFile | BUTYPE_ATTR.backupHistoryDir;
const SAME_IN_V3 = 0x01fe;

/** v3 has one bit for both forms of history, and v4 gave another of its bits a new meaning. */
export const butypeInfoV3: Codec<ButypeInfo> = mapped(
  butypeInfo,
  (wire) => ({ ...wire, attrs: attrsFromV3(wire.attrs) }),
  (value) => ({ ...value, attrs: attrsForV3(value.attrs) }),
);

function attrsFromV3(attrs: number): number {
  const backup = (attrs & HISTORY_BACKUP_V3) === 0 ? 0 : BOTH_HISTORIES;
  const recover = (attrs & HISTORY_RECOVER_V3) === 0 ? 0 : BUTYPE_ATTR.recoverFileHistory;
  return (attrs & SAME_IN_V3) | backup | recover;
}

function attrsForV3(attrs: number): number {
  const backup = (attrs & BOTH_HISTORIES) === 0 ? 0 : HISTORY_BACKUP_V3;
  const recover = (attrs & BUTYPE_ATTR.recoverFileHistory) === 0 ? 0 : HISTORY_RECOVER_V3;
  return (attrs & SAME_IN_V3) | backup | recover;
}

export const fsInfo = struct({
  unsupported: u32,
  fsType: text,
  logicalDevice: text,
  physicalDevice: text,
  totalSize: u64,
  usedSize: u64,
  availSize: u64,
  totalInodes: u64,
  usedInodes: u64,
  env: array(pval),
  status: text,
});
export type FsInfo = Infer<typeof fsInfo>;

export const deviceInfo = struct({
  model: text,
  capabilities: array(struct({ device: text, attr: u32, capability: array(pval) })),
});
export type DeviceInfo = Infer<typeof deviceInfo>;

/** One element of a recovery name list; v3 and v4 differ in meaning, not in bytes. */
export const nameEntry = struct({
  originalPath: text,
  destinationPath: text,
  name: text,
  otherName: text,
  node: u64,
  fhInfo: u64,
});
export type NameEntry = Infer<typeof nameEntry>;

export const classVersion = struct({ classId: u32, version: u32 });
export type ClassChoice = Infer<typeof classVersion>;
export const classList = struct({ classId: u32, versions: array(u32) });
/** A class with its versions, the default first. */
export type ClassOffer = Infer<typeof classList>;

export const cdbRequest = struct({
  flags: u32,
  timeoutMs: u32,
  dataInLength: u32,
  cdb: opaque,
  dataOut: opaque,
});
export const cdbReply = struct({
  error: u32,
  status: u32,
  dataOutLength: u32,
  dataIn: opaque,
  sense: opaque,
});

export const logMessageV4 = struct({
  logType: i32,
  messageId: u32,
  entry: text,
  hasAssociatedMessage: trailing(u32, 0),
  associatedSequence: trailing(u32, 0),
});
export type LogMessage = Infer<typeof logMessageV4>;

export const logMessageV3: Codec<LogMessage> = mapped(
  struct({ logType: i32, messageId: u32, entry: text }),
  (wire): LogMessage => ({ ...wire, hasAssociatedMessage: 0, associatedSequence: 0 }),
  (value) => value,
);

const silent = { messageId: 0, hasAssociatedMessage: 0, associatedSequence: 0 };

/** LOG_LOG of v2 is a line and nothing else. */
export const logMessageV2: Codec<LogMessage> = mapped(
  struct({ entry: text }),
  ({ entry }): LogMessage => ({ ...silent, logType: LOG_TYPE.normal, entry }),
  (value) => value,
);

export const logFileV4 = struct({ name: text, status: i32 });
export type LogFile = Infer<typeof logFileV4>;

/** v3 reports an NDMP error where v4 has a recovery status. */
export const logFileV3: Codec<LogFile> = mapped(
  logFileV4,
  ({ name, status }) => ({ name, status: statusOfError(status) }),
  ({ name, status }) => ({ name, status: errorOfStatus(status) }),
);

export const logFileV2: Codec<LogFile> = mapped(
  struct({ name: text, ssid: u32, error: i32 }),
  ({ name, error }) => ({ name, status: statusOfError(error) }),
  ({ name, status }) => ({ name, ssid: 0, error: errorOfStatus(status) }),
);

function statusOfError(error: number): number {
  switch (error) {
    case NDMP_ERROR.noError:
      return RECOVERY_STATUS.successful;
    case NDMP_ERROR.permission:
      return RECOVERY_STATUS.failedPermission;
    case NDMP_ERROR.fileNotFound:
      return RECOVERY_STATUS.failedNotFound;
    case NDMP_ERROR.io:
      return RECOVERY_STATUS.failedIoError;
    default:
      return RECOVERY_STATUS.failedUndefined;
  }
}

function errorOfStatus(status: number): number {
  switch (status) {
    case RECOVERY_STATUS.successful:
      return NDMP_ERROR.noError;
    case RECOVERY_STATUS.failedPermission:
      return NDMP_ERROR.permission;
    case RECOVERY_STATUS.failedNotFound:
      return NDMP_ERROR.fileNotFound;
    case RECOVERY_STATUS.failedIoError:
      return NDMP_ERROR.io;
    default:
      return NDMP_ERROR.undefined;
  }
}
