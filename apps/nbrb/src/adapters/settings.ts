// What an operator has set, and what stays set over a restart.

import type { Kysely } from 'kysely';
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

/** Undefined takes it away. */
export async function writeSetting(
  tx: Tx,
  name: SettingName,
  value: string | undefined,
): Promise<void> {
  await tx.deleteFrom('settings').where('name', '=', name).execute();
  if (value !== undefined) await tx.insertInto('settings').values({ name, value }).execute();
}
