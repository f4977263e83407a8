// The numbers of NDMP: error codes, enumerations and bit masks, each spelled once. Unknown values
// may arrive from any peer, so they travel as plain numbers and are named only for people.

export const NDMP_ERROR = {
  noError: 0,
  notSupported: 1,
  deviceBusy: 2,
  deviceOpened: 3,
  notAuthorized: 4,
  permission: 5,
  deviceNotOpen: 6,
  io: 7,
  timeout: 8,
  illegalArgs: 9,
  noTapeLoaded: 10,
  writeProtect: 11,
  eof: 12,
  eom: 13,
  fileNotFound: 14,
  badFile: 15,
  noDevice: 16,
  noBus: 17,
  xdrDecode: 18,
  illegalState: 19,
  undefined: 20,
  xdrEncode: 21,
  noMemory: 22,
  connect: 23,
  sequenceNumber: 24,
  readInProgress: 25,
  precondition: 26,
  classNotSupported: 27,
  versionNotSupported: 28,
  extensionDuplicateClasses: 29,
  extensionNegotiationIllegal: 30,
} as const;

export const AUTH_TYPE = { none: 0, text: 1, md5: 2 } as const;
/** `tcp6` is message 4 of the extension IPV6_CLASS. */
export const ADDR_TYPE = { local: 0, tcp: 1, fc: 2, ipc: 3, tcp6: 0x2051_0004 } as const;
export const DATA_OPERATION = {
  noAction: 0,
  backup: 1,
  recover: 2,
  recoverFileHistory: 3,
} as const;
/** The order is the wire's. */
export const DATA_STATE = { idle: 0, active: 1, halted: 2, listen: 3, connected: 4 } as const;
export const DATA_HALT = {
  na: 0,
  successful: 1,
  aborted: 2,
  internalError: 3,
  connectError: 4,
} as const;
export const CONNECTION_STATUS = { connected: 0, shutdown: 1, refused: 2 } as const;
export const LOG_TYPE = { normal: 0, debug: 1, error: 2, warning: 3 } as const;
export const RECOVERY_STATUS = {
  successful: 0,
  failedPermission: 1,
  failedNotFound: 2,
  failedNoDirectory: 3,
  failedOutOfMemory: 4,
  failedIoError: 5,
  failedUndefined: 6,
  failedPathExists: 7,
} as const;
export const FS_TYPE = { unix: 0, nt: 1, other: 2 } as const;
export const FILE_TYPE = {
  directory: 0,
  fifo: 1,
  characterDevice: 2,
  blockDevice: 3,
  regular: 4,
  symlink: 5,
  socket: 6,
  registry: 7,
  other: 8,
} as const;

export const MOVER_MODE = { read: 0, write: 1, noAction: 2 } as const;
export const MOVER_STATE = { idle: 0, listen: 1, active: 2, paused: 3, halted: 4 } as const;
export const MOVER_PAUSE = { na: 0, eom: 1, eof: 2, seek: 3, mediaError: 4, eow: 5 } as const;
export const MOVER_HALT = {
  na: 0,
  connectClosed: 1,
  aborted: 2,
  internalError: 3,
  connectError: 4,
  mediaError: 5,
} as const;
export const TAPE_OPEN_MODE = { read: 0, readWrite: 1, raw: 2 } as const;
export const TAPE_MTIO = {
  forwardFiles: 0,
  backwardFiles: 1,
  forwardRecords: 2,
  backwardRecords: 3,
  rewind: 4,
  writeFilemarks: 5,
  eject: 6,
  testReady: 7,
} as const;
export const TAPE_STATE_FLAGS = {
  noRewind: 0x08,
  writeProtected: 0x10,
  error: 0x20,
  unload: 0x40,
} as const;
export const TAPE_STATE_UNSUPPORTED = {
  fileNumber: 0x01,
  softErrors: 0x02,
  blockSize: 0x04,
  blockNumber: 0x08,
  totalSpace: 0x10,
  spaceRemain: 0x20,
} as const;
export const TAPE_ATTR = { rewindOnClose: 1, unloadOnClose: 2, rawOpen: 4 } as const;
export const SCSI_FLAGS = { dataIn: 1, dataOut: 2 } as const;

export const BUTYPE_ATTR = {
  backupFileList: 0x0002,
  recoverFileList: 0x0004,
  backupDirect: 0x0008,
  recoverDirect: 0x0010,
  backupIncremental: 0x0020,
  recoverIncremental: 0x0040,
  backupUtf8: 0x0080,
  recoverUtf8: 0x0100,
  backupHistoryFile: 0x0200,
  backupHistoryDir: 0x0400,
  recoverFileHistory: 0x0800,
  recoverHistoryFile: 0x1000,
  recoverHistoryDir: 0x2000,
} as const;
/** What CONFIG_GET_BUTYPE_ATTR of v2 says a backup type can not do. */
export const BUTYPE_ATTR_V2 = {
  noBackupFileList: 0x01,
  noBackupFhInfo: 0x02,
  noRecoverFileList: 0x04,
  noRecoverFhInfo: 0x08,
  noRecoverIncrementalOnly: 0x20,
} as const;

export const FS_INFO_UNSUPPORTED = {
  totalSize: 1,
  usedSize: 2,
  availSize: 4,
  totalInodes: 8,
  usedInodes: 16,
} as const;
export const DATA_STATE_UNSUPPORTED = { bytesRemain: 1, timeRemain: 2 } as const;

/** "Unknown" for a quad, and "to the end" for a length. */
export const U64_MAX = 0xffff_ffff_ffff_ffffn;
export const U32_MAX = 0xffff_ffff;

/** The name of a value, for logs; unknown values keep their number. */
export function nameOf(table: Readonly<Record<string, number>>, value: number): string {
  for (const [name, number] of Object.entries(table)) if (number === value) return name;
  return `unknown(${value})`;
}
