import { z } from 'zod';

export const config = z
  .object({
    /** PEM file with nbjm's public Ed25519 key; written at set-up, changed with nbjm's key. */
    ticketPublicKeyFile: z.string().min(1),
  })
  .strict();

export type Config = z.infer<typeof config>;
