// Settings of bprd. Who turns one, and when, stands beside it.

import { z } from 'zod';

export const config = z
  .object({
    /** A module (a package, or the whole path of a file) that exports `admissionRule`: a house's own rule. */
    admissionModule: z.string().optional(),
    /** Priority of restores that name none: people wait for them. */
    restorePriority: z.coerce.number().int().min(0).max(99_999).default(90_000),
  })
  .strict();

export type Config = z.infer<typeof config>;
