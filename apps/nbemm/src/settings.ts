// Handlers for the settings of the whole site, which an administrator changes while nbemm runs (nbemmcmd
// -changesetting), and for the list of changes that watchers read.

import type { Handlers } from '@tapestry/bus';
import type { ListChangesRequest, SettingRow } from '@tapestry/contracts';
import type { Kysely } from 'kysely';
import type { EmmDb } from './adapters/schema.ts';
import {
  type ErrorLimits,
  errorLimits,
  SETTINGS,
  settingOf,
  settingText,
} from './core/settings.ts';
import { edit, type Parts } from './parts.ts';

type SettingHandlers = Pick<Handlers<'nbemm'>, 'ListSettings' | 'ChangeSetting' | 'ListChanges'>;

const CHANGES_MAX = 1_000;
const CHANGES_DEFAULT = 100;

export function settingHandlers(parts: Parts): SettingHandlers {
  return {
    ListSettings: async ({ name }) => {
      const values = await readSettings(parts.store.db);
      const wanted = name.toUpperCase();
      return {
        settings: SETTINGS.filter((each) => wanted === '' || each.name === wanted).map((each) => ({
          ...{ name: each.name, description: each.description },
          value: settingText(each, values.get(each.name)),
        })),
      };
    },
    ChangeSetting: (request) => changeSetting(parts, request),
    ListChanges: (request) => listChanges(parts, request),
  };
}

async function readSettings(db: Kysely<EmmDb>): Promise<ReadonlyMap<string, number>> {
  const rows = await db.selectFrom('settings').selectAll().execute();
  return new Map(rows.map(({ name, value }) => [name, Number(value)]));
}

export async function readErrorLimits(db: Kysely<EmmDb>): Promise<ErrorLimits> {
  return errorLimits(await readSettings(db));
}

/** Of a setting that is yes or no. */
export async function readsYes(db: Kysely<EmmDb>, name: string): Promise<boolean> {
  const setting = SETTINGS.find((each) => each.name === name);
  return ((await readSettings(db)).get(name) ?? setting?.normal) === 1;
}

async function changeSetting(parts: Parts, { name, value: given }: SettingRow) {
  const setting = settingOf(name, given);
  const value = String(setting.value);
  await edit(parts, `setting ${setting.name}`, (tx) =>
    tx
      .insertInto('settings')
      .values({ name: setting.name, value })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
      .execute(),
  );
  return {};
}

async function listChanges({ store }: Parts, { afterSequence, limit }: ListChangesRequest) {
  const rows = await store.db
    .selectFrom('changes')
    .selectAll()
    .where('sequence', '>', afterSequence)
    .orderBy('sequence')
    .limit(Math.min(limit || CHANGES_DEFAULT, CHANGES_MAX))
    .execute();
  return { changes: rows.map(({ at_ms, ...row }) => ({ ...row, atMs: BigInt(at_ms) })) };
}
