// The part of the API that is about devices and media: what a robot holds, drives, disks, volumes, and who waits.

import { z } from 'zod';

const time = z.int().nullable();

/** What a volume is good for, the first that holds. */
export const MEDIA_STATES = [
  ...(['active', 'full', 'scratch', 'available'] as const),
  ...(['suspended', 'frozen', 'expired', 'cleaning'] as const),
] as const;

export const robotSchema = z.object({
  number: z.int(),
  type: z.string(),
  controlHost: z.string(),
  /** Set when the robot hangs on an NDMP host. */
  ndmpHost: z.string(),
});

export const driveSchema = z.object({
  name: z.string(),
  mediaServer: z.string(),
  ndmpHost: z.string(),
  density: z.string(),
  /** Null for a drive that no robot serves. */
  robotNumber: z.int().nullable(),
  /** Its number in the robot, from 1. */
  robotDrive: z.int(),
  /** idle, or why it is not: the first of these that holds, from the last. */
  state: z.enum(['idle', 'inUse', 'mounting', 'cleaning', 'unknown', 'down']),
  reason: z.string(),
  /** The job whose grant holds it, and the volume in it or on its way. */
  jobId: z.int().nullable(),
  mediaId: z.string(),
  lastUsedMs: time,
  lastCleanedMs: time,
  errors: z.int(),
  /** Every way to it: which host, and whether that way is open. */
  paths: z.array(
    z.object({
      mediaServer: z.string(),
      ndmpHost: z.string(),
      path: z.string(),
      up: z.boolean(),
      reason: z.string(),
    }),
  ),
});

export const diskUnitSchema = z.object({
  label: z.string(),
  mediaServer: z.string(),
  path: z.string(),
  /** Null while its media server has not told. */
  capacityBytes: z.int().nullable(),
  freeBytes: z.int().nullable(),
  toldMs: time,
  highWaterPercent: z.int(),
  lowWaterPercent: z.int(),
  jobIds: z.array(z.int()),
});

export const waitingSchema = z.object({
  jobId: z.int(),
  policy: z.string(),
  client: z.string(),
  priority: z.int(),
  sinceMs: time,
  /** A sentence for each drive and volume that it cannot have. */
  reasons: z.array(z.string()),
});

/** A mount that waits for an operator. */
export const pendingSchema = z.object({
  host: z.string(),
  requestId: z.int(),
  jobId: z.int(),
  mediaId: z.string(),
  drive: z.string(),
  reason: z.string(),
  sinceMs: time,
});

export const unknownSchema = z.object({
  kind: z.string(),
  name: z.string(),
  reason: z.string(),
  sinceMs: time,
});

export const devicesSchema = z.object({
  robots: z.array(robotSchema),
  drives: z.array(driveSchema),
  ndmpHosts: z.array(z.object({ name: z.string(), address: z.string() })),
  disks: z.array(diskUnitSchema),
  waiting: z.array(waitingSchema),
  pending: z.array(pendingSchema),
  unknown: z.array(unknownSchema),
  /** Why nothing is given out; empty when it is. */
  suspended: z.string(),
  /** What could not be asked, a sentence each; the rest is shown all the same. */
  problems: z.array(z.string()),
});

export const elementSchema = z.object({
  address: z.int(),
  type: z.enum(['slot', 'drive', 'mail', 'arm']),
  /** Among its type, from 1. */
  number: z.int(),
  full: z.boolean(),
  barcode: z.string(),
  /** Empty for a cartridge that is not on record. */
  mediaId: z.string(),
  state: z.enum(MEDIA_STATES).nullable(),
  pool: z.string(),
  /** The volume that the records place in this empty slot, and the robot has nowhere. */
  missingMediaId: z.string(),
});

export const libraryShapeSchema = z.object({
  robotNumber: z.int(),
  /** robot: from itself. records: as the EMM database has it, because the robot does not answer. */
  source: z.enum(['robot', 'records']),
  problem: z.string(),
  elements: z.array(elementSchema),
  /** The move that goes on. */
  moving: z.object({ from: z.int(), to: z.int() }).nullable(),
});

export const volumeSchema = z.object({
  mediaId: z.string(),
  barcode: z.string(),
  pool: z.string(),
  mediaType: z.string(),
  robotNumber: z.int().nullable(),
  slot: z.int().nullable(),
  mountedDrive: z.string(),
  state: z.enum(MEDIA_STATES),
  mounts: z.int(),
  maxMounts: z.int(),
  images: z.int(),
  writtenBytes: z.int(),
  lastWrittenMs: time,
  lastMountMs: time,
  expirationMs: time,
  dataExpirationMs: time,
  owner: z.string(),
  errors: z.int(),
  cleanings: z.int(),
});

const stateCounts = z
  .object({
    ...{ active: z.int(), full: z.int(), scratch: z.int(), available: z.int() },
    ...{ suspended: z.int(), frozen: z.int(), expired: z.int(), cleaning: z.int() },
  })
  .partial();

export const volumePageSchema = z.object({
  volumes: z.array(volumeSchema),
  /** Pass as `after` for the next page; null at the end. */
  next: z.string().nullable(),
  /** Of all that match the text, by state. */
  counts: stateCounts,
});

export const robotParamsSchema = z.object({ robotNumber: z.int().min(0).max(32_767) });

export const volumeQuerySchema = z.object({
  after: z.string().max(16).optional(),
  limit: z.int().min(1).max(500).default(100),
  /** Part of a media id or barcode. */
  text: z.string().max(64).optional(),
  mediaId: z.string().max(16).optional(),
  state: z.array(z.enum(MEDIA_STATES)).optional(),
});

export const driveParamsSchema = z.object({ drive: z.string().min(1).max(64) });

export const driveStateBodySchema = z.object({ up: z.boolean() });

export type MediaState = (typeof MEDIA_STATES)[number];
export type ApiDevices = z.infer<typeof devicesSchema>;
export type ApiDrive = z.infer<typeof driveSchema>;
export type ApiElement = z.infer<typeof elementSchema>;
export type ApiLibraryShape = z.infer<typeof libraryShapeSchema>;
export type ApiVolume = z.infer<typeof volumeSchema>;
export type ApiVolumePage = z.infer<typeof volumePageSchema>;
export type VolumeQuery = z.infer<typeof volumeQuerySchema>;
