import { z } from 'zod';

const modules = z
  .string()
  .default('{}')
  .transform((text) => z.record(z.string(), z.string()).parse(JSON.parse(text)));

export const config = z
  .object({
    /** T1: how long a writer may go on after nbrb last called its grant valid. Below nbrb's T2. */
    leaseT1Ms: z.coerce.number().int().positive().default(300_000),
    /** Grants renewed longer ago than this are renewed when a writer asks. */
    renewAfterMs: z.coerce.number().int().positive().default(10_000),
    /** A holder that was not heard of for so long is looked after in the library. */
    silentMs: z.coerce.number().int().positive().default(90_000),
    /** How long a drive that somebody else had open is not given out: its NDMP host may keep the tape of a lost session. */
    doubtMs: z.coerce.number().int().positive().default(300_000),
    lookEveryMs: z.coerce.number().int().positive().default(10_000),
    /** The longest that one robot move may take. */
    moveTimeoutMs: z.coerce.number().int().positive().default(300_000),
    /** How long a volume that nobody uses stays in its drive for the next grant. Longer ones count as half an hour. */
    unmountDelayMs: z.coerce
      .number()
      .int()
      .nonnegative()
      .default(180_000)
      .transform((ms) => Math.min(ms, 1_800_000)),
    /** What a volume that is not in the robot, or a robot that is down, means: the job looks further, or an operator is asked. */
    mountErrors: z.enum(['fail', 'queue']).default('fail'),
    /** A move that fails is tried again after this time, then after 5 and 15 times as long. */
    retryPauseMs: z.coerce.number().int().positive().default(1_000),
    /** How long a drive may take to load what the robot brought: a new LTO-9 cartridge takes up to two hours. */
    readyTimeoutMs: z.coerce.number().int().positive().default(300_000),
    /** What this host says of its iSCSI targets; empty: `iscsi.json` in the state folder, where there is one. */
    iscsiFile: z.string().default(''),
    /** JSON object: scheme of a robot's path → module that exports `openLibrary(path)`. */
    libraryModules: modules,
  })
  .strict();

export type Config = z.infer<typeof config>;
