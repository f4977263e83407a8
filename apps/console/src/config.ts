// What can be set for the console, and who sets it when.

import { fileURLToPath } from 'node:url';
import { z } from 'zod';

export const configSchema = z
  .object({
    /** Lines of `user:password`, readable by nobody else (mode 0400). Written at set-up; read at every login. */
    passwordFile: z.string().optional(),
    /** How long a login lasts. Shorter where screens stand in the open. */
    sessionHours: z.coerce.number().int().min(1).max(168).default(12),
    /** Whether browsers reach the console over TLS (a proxy in front): the cookie is then sent over TLS alone. */
    secureCookie: z
      .enum(['true', 'false'])
      .default('false')
      .transform((value) => value === 'true'),
    /** The built page; another place only where an image puts it elsewhere. */
    pageDir: z.string().default(() => fileURLToPath(new URL('../dist', import.meta.url))),
  })
  .strict();

export type Config = z.infer<typeof configSchema>;
