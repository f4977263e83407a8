// Times in the database are epoch milliseconds in `double precision` columns named `…_ms`: exact to the
// year 287396, and a JavaScript number on both sides, as the cores want (`nowMs`). A bigint column would
// come back as bigint; a timestamptz as a Date that loses what a core may compare. See README.md.

import { sql } from 'kysely';

/** The type of a time column in a migration: `addColumn('due_ms', epochMs)`. */
export const epochMs = sql`double precision`;

/** The database's clock now, not the transaction's start. */
export const databaseNowMs = sql<number>`floor(extract(epoch from clock_timestamp()) * 1000)::double precision`;
