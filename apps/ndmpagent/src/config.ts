import { z } from 'zod';

export const config = z
  .object({
    connectTimeoutMs: z.coerce.number().int().positive().default(30_000),
    /** Log-in and questions about the server. */
    callTimeoutMs: z.coerce.number().int().positive().default(60_000),
    /** A start may take a snapshot first. */
    startTimeoutMs: z.coerce.number().int().positive().default(1_800_000),
    /** How often a running session is asked for its progress. */
    pollEveryMs: z.coerce.number().int().min(500).default(2_000),
    /** How long an abort waits for the filer before the connection is closed. */
    abortTimeoutMs: z.coerce.number().int().positive().default(15_000),
    /** Building and delivering a file list. */
    catalogTimeoutMs: z.coerce.number().int().positive().default(14_400_000),
    /** Module that exports `quirks: FilerQuirks[]`, for filers that the built-in table does not know. */
    quirksModule: z.string().default(''),
  })
  .strict();

export type Config = z.infer<typeof config>;
