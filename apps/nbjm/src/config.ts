// Settings of nbjm. Who turns one, and when, stands beside it.

import { z } from 'zod';

const DAY_MS = 24 * 60 * 60 * 1_000;

export const config = z
  .object({
    /** PEM file with the Ed25519 private key that signs starts; every bpcd has the public one. */
    ticketKeyFile: z.string(),
    /** How long a signed start is good: longer where the clocks of media servers are poor. */
    ticketLifeMs: z.coerce.number().int().min(1_000).default(120_000),
    /** How long a cancelled run may take to end: longer where drives rewind for minutes. */
    stopDeadlineMs: z.coerce.number().int().min(100).default(180_000),
    /** How often media servers are asked for the runs that they know. */
    reconcileMs: z.coerce.number().int().min(100).default(30_000),
    /** How many commands to neighbours run at once: more where hundreds of short jobs run. */
    commandsMax: z.coerce.number().int().min(1).max(512).default(64),
    /** How long jobs that are done are kept here (the Activity Monitor has its own copy). */
    doneKeepMs: z.coerce
      .number()
      .int()
      .min(0)
      .default(7 * DAY_MS),
  })
  .strict();

export type Config = z.infer<typeof config>;
