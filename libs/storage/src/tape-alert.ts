// The TapeAlert flags that drives here raise, by the names of the T10 standard (SSC, log page 2Eh).

export const TAPE_ALERT = {
  hardError: 3,
  media: 4,
  readFailure: 5,
  writeFailure: 6,
  writeProtect: 9,
  cleaningMedia: 11,
  cleanNow: 20,
  expiredCleaningMedia: 22,
  hardwareA: 30,
  directoryInvalidAtUnload: 51,
  loadingFailure: 55,
  wormOverwriteAttempted: 60,
} as const;

/** Flags count from 1 to this. */
export const TAPE_ALERT_MAX = 64;
