import { z } from 'zod';

const ms = (value: number) => z.coerce.number().int().positive().default(value);

export const config = z
  .object({
    /** From the start of a run until data moves: mount, snapshot and all. */
    startTimeoutMs: ms(3_600_000),
    /** Without a byte or a file more: incrementals of huge trees are silent for long. */
    silentTimeoutMs: ms(21_600_000),
    /** From the filer's end until fragment and file list are safe. */
    endTimeoutMs: ms(18_000_000),
    /** A label or an erasure, mount and all: a long erase writes the whole tape. */
    labelTimeoutMs: ms(43_200_000),
    /** How long children that were told to end are waited for. */
    abortTimeoutMs: ms(60_000),
    /** How long a child keeps a question until it has news. Lower where a dead child must be missed sooner. */
    watchMs: ms(4_000),
  })
  .strict();

export type Config = z.infer<typeof config>;
