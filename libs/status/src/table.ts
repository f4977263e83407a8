// The one table of status codes that Tapestry raises: NetBackup's numbers, our own wording.
// A row is added when a code is first raised; nothing else in the project spells a number.

/** When a job that ended with this status may be tried again. */
export type Retry = 'now' | 'later' | 'never';

export interface StatusRow {
  readonly code: number;
  readonly retry: Retry;
  /** What a person reads beside the number. */
  readonly text: string;
}

const row = (code: number, retry: Retry, text: string): StatusRow => ({ code, retry, text });

export const STATUS = {
  ok: row(0, 'never', 'the requested operation was successful'),
  partial: row(1, 'never', 'the requested operation was partially successful'),
  restoreFailed: row(5, 'later', 'the restore did not recover the requested files'),
  backupFailed: row(6, 'later', 'the backup did not back up the requested files'),
  systemCallFailed: row(11, 'later', 'a system call failed'),
  fileOpenFailed: row(12, 'never', 'a file could not be opened'),
  fileReadFailed: row(13, 'later', 'a file could not be read'),
  fileWriteFailed: row(14, 'later', 'a file could not be written'),
  notImplemented: row(16, 'never', 'this feature is not implemented'),
  invalidParameter: row(20, 'never', 'a command parameter is not valid'),
  socketReadFailed: row(23, 'later', 'reading from a socket failed'),
  cannotConnect: row(25, 'later', 'cannot connect to the daemon'),
  invalidServer: row(37, 'never', 'the request comes from a server that may not make it'),
  networkBroken: row(40, 'later', 'the network connection was broken'),
  connectTimedOut: row(41, 'later', 'the network connection timed out'),
  accessNotAllowed: row(46, 'never', 'the server is not allowed access'),
  hostUnreachable: row(47, 'later', 'the host cannot be reached'),
  clientAborted: row(50, 'later', 'the process on the client side ended unexpectedly'),
  mountTimedOut: row(52, 'later', 'the media mount timed out'),
  cannotConnectToClient: row(58, 'later', 'cannot connect to the client'),
  killedBySignal: row(63, 'later', 'the process was killed by a signal'),
  noneOfTheFilesExist: row(71, 'never', 'none of the listed files exist'),
  ltidNotActive: row(80, 'later', 'the device daemon (ltid) is not active'),
  tapeMgrKilled: row(82, 'later', 'the tape manager was killed by a signal'),
  mediaOpenError: row(83, 'now', 'the media could not be opened'),
  mediaWriteError: row(84, 'now', 'writing to the media failed'),
  mediaReadError: row(85, 'later', 'reading from the media failed'),
  mediaPositionError: row(86, 'later', 'positioning the media failed'),
  mediaCloseError: row(87, 'later', 'closing the media failed'),
  noDataReceived: row(90, 'later', 'the tape manager received no data for the image'),
  wrongTape: row(93, 'now', 'the wrong tape is in the drive'),
  cannotPositionToImage: row(94, 'later', 'cannot position to the image'),
  mediaInUse: row(97, 'later', 'the requested media is in use'),
  noMediaAvailable: row(96, 'never', 'no media is available for the backup'),
  ndmpFailed: row(99, 'later', 'the NDMP backup failed'),
  invalidPath: row(104, 'never', 'a file path is not valid'),
  badPathname: row(106, 'never', 'a path in the request is not allowed'),
  authenticationFailed: row(116, 'never', 'authentication failed'),
  accessDenied: row(117, 'never', 'access was denied'),
  notAuthorized: row(118, 'never', 'the user is not authorized for this'),
  diskFull: row(129, 'later', 'the disk storage unit is full'),
  systemError: row(130, 'later', 'a system error occurred'),
  invalidRequest: row(133, 'never', 'the request is not valid'),
  resourcesBusy: row(134, 'now', 'the resources are busy, the job waits in the queue again'),
  badUsage: row(144, 'never', 'the command was not used correctly'),
  daemonAlreadyRunning: row(145, 'never', 'the daemon is already running'),
  primaryRequestFailed: row(149, 'later', 'the request to the primary server failed'),
  cancelled: row(150, 'never', 'ended at the request of an administrator'),
  requiredValueNotSet: row(152, 'never', 'a required value is not set'),
  notMountable: row(164, 'later', 'the media cannot be mounted'),
  noFragments: row(165, 'never', 'the image has no fragments for this copy'),
  spanningNotAllowed: row(
    166,
    'later',
    'the medium is full and the image may not continue on another',
  ),
  poolMissing: row(167, 'never', 'the volume pool does not exist'),
  cannotOverwriteMedia: row(168, 'now', 'the media holds data that may not be overwritten'),
  mediaExpired: row(169, 'never', 'the media is expired or over its mounts'),
  mediaIdTooLong: row(171, 'never', 'a media id has more than six characters'),
  cannotReadMediaHeader: row(172, 'now', 'the media header cannot be read'),
  cannotReadBackupHeader: row(173, 'later', 'the backup header cannot be read'),
  tapeMgrSystemError: row(174, 'later', 'the tape manager met a system error'),
  someNotRestored: row(175, 'never', 'not all requested files were restored'),
  noneMatched: row(190, 'never', 'nothing matched the selection'),
  noImagesProcessed: row(191, 'never', 'no image was processed'),
  notAttempted: row(195, 'later', 'the backup was not attempted'),
  windowClosed: row(196, 'later', 'the backup was not attempted because its window closed'),
  scheduleMissing: row(197, 'never', 'the schedule does not exist in the policy'),
  noActivePolicyForSchedule: row(198, 'never', 'no active policy has a schedule of this type'),
  notInThisPeriod: row(199, 'later', 'the operation is not allowed in this period'),
  nothingDue: row(200, 'never', 'nothing is due'),
  databaseError: row(220, 'later', 'the database met a system error'),
  invalidEntry: row(223, 'never', 'an entry is not valid'),
  conflict: row(224, 'never', 'the entry conflicts with another'),
  alreadyExists: row(226, 'never', 'the entry exists already'),
  notFound: row(227, 'never', 'no such entity was found'),
  cannotProcess: row(228, 'later', 'the request cannot be processed'),
  imageInconsistent: row(229, 'later', 'events came out of order, the image is inconsistent'),
  policyMissing: row(230, 'never', 'the policy does not exist'),
  windowsOverlap: row(231, 'never', 'backup windows overlap'),
  protocolError: row(232, 'later', 'a protocol error occurred'),
  earlyEof: row(233, 'later', 'the data ended too early'),
  interrupted: row(234, 'later', 'the communication was interrupted'),
  clientNotInPolicy: row(239, 'never', 'the client is not configured in the policy'),
  noScheduleOfType: row(240, 'never', 'the policy has no schedule of this type'),
  policyInactive: row(247, 'never', 'the policy is not active'),
  logicError: row(256, 'never', 'a logic error was found'),
  resourceRequestFailed: row(800, 'later', 'the resource request failed'),
  jobInternalError: row(801, 'later', 'the job manager met an internal error'),
  jobManagerStopping: row(803, 'later', 'the job manager is stopping'),
  jobMissing: row(805, 'never', 'the job id is not valid'),
  brokerUnreachable: row(812, 'later', 'the resource broker cannot be reached'),
  drivesUnavailable: row(830, 'later', 'the drives are unavailable or down'),
  imageAlreadyValidated: row(831, 'never', 'the image was validated already'),
  brokerRetryLater: row(900, 'later', 'the broker asks to try later'),
  brokerInternalError: row(901, 'later', 'the broker met an internal error'),
  staleGrant: row(902, 'never', 'the grant is not, or no longer, valid'),
  tooManyReallocations: row(904, 'never', 'the resources were given out again too often'),
  mountRequestDenied: row(906, 'never', 'an operator denied the mount request'),
  resourceRequestCancelled: row(907, 'never', 'the resource request was cancelled'),
  brokerReset: row(908, 'later', 'the broker was reset'),
  requestTimedOut: row(916, 'later', 'the resource request timed out'),
  kmsFileMissing: row(1250, 'never', 'a file of the key store is missing'),
  kmsFileTorn: row(1251, 'never', 'a file of the key store ends too early'),
  kmsFileCorrupt: row(1252, 'never', 'a file of the key store is damaged'),
  kmsFileTampered: row(1253, 'never', 'a file of the key store was changed by somebody'),
  kmsKeyMismatch: row(1254, 'never', 'a file of the key store belongs to another key'),
  kmsSetMismatch: row(1255, 'never', 'the files of the key store do not belong together'),
  kmsVersion: row(1256, 'never', 'the key store has a form that this release does not know'),
  kmsFilePermissions: row(1257, 'never', 'a file of the key store is open to others'),
  kmsTransactionBroken: row(
    1259,
    'never',
    'an unfinished change of the key store cannot be completed',
  ),
  kmsStoreExists: row(1262, 'never', 'there is a key store already'),
  noNewMedia: row(2000, 'never', 'no new media is available for the storage unit'),
  noDrivesForJob: row(2001, 'never', 'no drive is configured for this job'),
  ndmpCredentialsMissing: row(2006, 'never', 'NDMP credentials are not defined'),
  storageUnitIncompatible: row(2007, 'never', 'the storage unit does not fit the job'),
  driveAllocated: row(2004, 'later', 'the drive is allocated'),
  driveDown: row(2008, 'never', 'all compatible drive paths are down'),
  mediaConflict: row(2012, 'never', 'the media conflicts with another in the EMM database'),
  mediaNotAssigned: row(2014, 'never', 'the media is not assigned'),
  mediaOfAnotherServer: row(2016, 'never', 'the media is assigned to another server'),
  cleaningCountBad: row(2018, 'never', 'the count of cleanings is not valid'),
  robotDown: row(2020, 'later', 'the robot is down'),
  mediaServerNotActive: row(2027, 'later', 'the media server is not active'),
  mediaNotDefined: row(2031, 'never', 'the media is not defined in EMM'),
  mediaMisplaced: row(2033, 'never', 'the media is misplaced'),
  driveNotReady: row(2037, 'now', 'the drive is not ready'),
  slotEmpty: row(2043, 'never', 'the slot is empty'),
  writeProtected: row(2047, 'now', 'the media is write-protected'),
  robotMissing: row(2059, 'never', 'the robot is not known'),
  noCleaningMedia: row(2088, 'never', 'no cleaning media is available'),
  storageUnitMissing: row(2104, 'never', 'the storage unit is not available'),
  mediaServerMissing: row(2101, 'never', 'the media server is not in EMM'),
  ndmpHostUnknown: row(2108, 'never', 'the NDMP host is not configured or has no credentials'),
  machineUnknown: row(2110, 'never', 'the machine is not known to EMM'),
  ndmpRestoreFailed: row(2813, 'later', 'the NDMP restore failed'),
} as const satisfies Record<string, StatusRow>;

export type StatusName = keyof typeof STATUS;

const BY_CODE = new Map<number, StatusName>(
  (Object.keys(STATUS) as StatusName[]).map((name) => [STATUS[name].code, name]),
);

/** The name of a code, or undefined when no row has it. */
export function statusByCode(code: number): StatusName | undefined {
  return BY_CODE.get(code);
}

/** The code that a command exits with: above 255 the shell sees 252 and the text has the number. */
export function exitCode(name: StatusName): number {
  const { code } = STATUS[name];
  return code > 255 ? 252 : code;
}

export function isStatusName(value: string): value is StatusName {
  return Object.hasOwn(STATUS, value);
}
