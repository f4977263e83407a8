import { z } from 'zod';

export const config = z
  .object({
    connectTimeoutMs: z.coerce.number().int().positive().default(30_000),
    /** Log-in and questions about the server. */
    callTimeoutMs: z.coerce.number().int().positive().default(60_000),
    /** Some filers need minutes to give up on a connection that a firewall swallows; only then they can be asked to listen. */
    dataConnectTimeoutMs: z.coerce.number().int().positive().default(180_000),
    /** A start may take a snapshot first. */
    startTimeoutMs: z.coerce.number().int().positive().default(1_800_000),
    /** How often a running session is asked for its progress. */
    pollEveryMs: z.coerce.number().int().min(500).default(2_000),
    /** How long an abort waits for the filer before the connection is closed. */
    abortTimeoutMs: z.coerce.number().int().positive().default(15_000),
    /** A tape that the robot brings to an NDMP host's drive must be ready within this time. */
    loadTimeoutMs: z.coerce.number().int().positive().default(300_000),
    /** One motion of a tape behind an NDMP host: a rewind, or the way to its last file. */
    motionTimeoutMs: z.coerce.number().int().positive().default(600_000),
    /** One move of a robot on an NDMP host, with the log-in before it. */
    robotTimeoutMs: z.coerce.number().int().positive().default(600_000),
    /** A tape session that nobody asks or watches for so long is closed, and its drive given back. */
    tapeSilentMs: z.coerce.number().int().positive().default(120_000),
    /** Building and delivering a file list. */
    catalogTimeoutMs: z.coerce.number().int().positive().default(14_400_000),
    /** The highest NDMP version to speak: lower it for networks or filers in trouble with v4. */
    versionMax: z.coerce
      .number()
      .int()
      .pipe(z.literal([2, 3, 4]))
      .default(4),
    /** JSON file about filers that the built-in table does not know, or treats wrongly: README. */
    filersFile: z.string().default(''),
    /** Module that exports `filers` in the same form, where code knows better than a file. */
    quirksModule: z.string().default(''),
    /** Folder in which each NDMP session is recorded, to find out what a filer and we say; empty records none. */
    traceDir: z.string().default(''),
    /** Size of one recording, without its last messages; the newest 50 are kept. */
    traceMaxBytes: z.coerce.number().int().positive().default(10_000_000),
  })
  .strict();

export type Config = z.infer<typeof config>;
