// What an operator has set, and what stays set over a restart.

import { type Kysely, sql } from 'kysely';
import type { Tx } from './queue.ts';
import type { RbDb } from './schema.ts';

type SettingName = 'suspended';

export async function readSetting(
  db: Kysely<RbDb>,
  name: SettingName,
): Promise<string | undefined> {
  const row = await db
    .selectFrom('settings')
    .select('value')
    .where('name', '=', name)
    .executeTakeFirst();
  return row?.value;
}

/** The same in a transaction that hangs on it: nobody changes a setting before it is over. */
export async function readSettingHeld(tx: Tx, name: SettingName): Promise<string | undefined> {
  await sql`select pg_advisory_xact_lock_shared(hashtext('nbrb.settings'))`.execute(tx);
  return await readSetting(tx, name);
}

/** Waits for the transactions that hang on the settings. Undefined takes it away. */
export async function writeSetting(
  tx: Tx,
  name: SettingName,
  value: string | undefined,
): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('nbrb.settings'))`.execute(tx);
  await tx.deleteFrom('settings').where('name', '=', name).execute();
  if (value !== undefined) await tx.insertInto('settings').values({ name, value }).execute();
}
