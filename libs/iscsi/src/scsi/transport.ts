// What a SCSI device layer needs of whatever carries its commands: one logical unit, one command at a time or several.

export const SCSI_STATUS = {
  good: 0x00,
  checkCondition: 0x02,
  conditionMet: 0x04,
  busy: 0x08,
  reservationConflict: 0x18,
  taskSetFull: 0x28,
  acaActive: 0x30,
  taskAborted: 0x40,
} as const;

export interface ScsiRequest {
  readonly cdb: Uint8Array;
  /** Data to the device, in parts; theirs until the promise settles. Not together with `dataIn`. */
  readonly dataOut?: readonly Uint8Array[];
  /** Where data from the device go. */
  readonly dataIn?: Buffer;
  readonly timeoutMs: number;
  /** Send it only on this nexus; on a later one fail with `nexusLost`, nothing sent. */
  readonly nexus?: number;
}

export interface ScsiResult {
  readonly status: number;
  /** Empty without sense. It may come together with data. */
  readonly sense: Buffer;
  /** What arrived, a view of `dataIn`. */
  readonly data: Buffer;
  /** Positive: less moved than asked. Negative: the device had more. Some devices fill it wrongly with a sense. */
  readonly residualBytes: number;
}

/**
 * Rejects with `IscsiError`: `mayHaveTakenEffect` says whether the device may have carried the command out. Nothing is
 * sent a second time.
 */
export interface ScsiTransport {
  /**
   * Counts the nexuses; 0 while there is none. Another number than before means that the device has forgotten us, and may
   * be anywhere.
   */
  readonly nexus: number;
  /** Resolves with the number of the nexus that stands; logs in where there is none. */
  connect(timeoutMs: number): Promise<number>;
  execute(request: ScsiRequest): Promise<ScsiResult>;
}
