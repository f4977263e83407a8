// Handlers for the rules that an inventory names and sorts new cartridges by, as vmrule manages them.

import type { Handlers } from '@tapestry/bus';
import type { BarcodeRule, MediaIdRule, SetBarcodeRuleRequest } from '@tapestry/contracts';
import type { Kysely } from 'kysely';
import type { EmmDb } from './adapters/schema.ts';
import { checkedRule, inOrder } from './core/barcode-rules.ts';
import { checkDescription } from './core/checks.ts';
import { checkIdRule } from './core/media-id.ts';
import { edit, exists, missing, type Parts, required } from './parts.ts';
import { requirePool } from './required-records.ts';

type RuleHandlers = Pick<
  Handlers<'nbemm'>,
  | 'SetBarcodeRule'
  | 'DeleteBarcodeRule'
  | 'ListBarcodeRules'
  | 'SetMediaIdRule'
  | 'DeleteMediaIdRule'
  | 'ListMediaIdRules'
>;

export function ruleHandlers(parts: Parts): RuleHandlers {
  const { db } = parts.store;
  return {
    SetBarcodeRule: (request) => setBarcodeRule(parts, request),
    DeleteBarcodeRule: ({ name }) => deleteBarcodeRule(parts, name),
    ListBarcodeRules: async ({ name }) => {
      const rules = await readBarcodeRules(db);
      return { rules: rules.filter(({ tag }) => name === '' || tag === name.toUpperCase()) };
    },
    SetMediaIdRule: (rule) => setMediaIdRule(parts, rule),
    DeleteMediaIdRule: (rule) => deleteMediaIdRule(parts, rule),
    ListMediaIdRules: async () => ({ rules: await readMediaIdRules(db) }),
  };
}

/** In the order in which they are tried. */
export async function readBarcodeRules(db: Kysely<EmmDb>): Promise<BarcodeRule[]> {
  const rows = await db.selectFrom('barcode_rules').selectAll().orderBy('added').execute();
  return inOrder(rows).map(({ tag, media_type, pool, max_mounts, description }) => ({
    ...{ tag, pool, description },
    ...{ mediaType: media_type, maxMounts: max_mounts },
  }));
}

export async function readMediaIdRules(db: Kysely<EmmDb>): Promise<MediaIdRule[]> {
  const rows = await db
    .selectFrom('media_id_rules')
    .selectAll()
    .orderBy('robot_number')
    .orderBy('barcode_length')
    .execute();
  return rows.map(({ robot_number, barcode_length, rule }) => ({
    ...{ robotNumber: robot_number, barcodeLength: barcode_length, rule },
  }));
}

async function setBarcodeRule(parts: Parts, { rule: given, update }: SetBarcodeRuleRequest) {
  if (given === null) throw required('the barcode rule');
  const rule = checkedRule(given);
  checkDescription(rule.description);
  await edit(parts, `barcode rule ${rule.tag}`, async (tx) => {
    if (rule.pool !== 'DEFAULT') await requirePool(tx, rule.pool);
    const values = {
      ...{ media_type: rule.mediaType, pool: rule.pool },
      ...{ max_mounts: rule.maxMounts, description: rule.description },
    };
    const done = update
      ? await tx
          .updateTable('barcode_rules')
          .set(values)
          .where('tag', '=', rule.tag)
          .returning('tag')
          .execute()
      : await tx
          .insertInto('barcode_rules')
          .values({ tag: rule.tag, ...values })
          .onConflict((conflict) => conflict.doNothing())
          .returning('tag')
          .execute();
    if (done.length > 0) return;
    throw update ? missing(`barcode rule ${rule.tag}`) : exists(`barcode rule ${rule.tag}`);
  });
  return {};
}

async function deleteBarcodeRule(parts: Parts, name: string) {
  const tag = name.toUpperCase();
  await edit(parts, `barcode rule ${tag}`, async (tx) => {
    const gone = await tx
      .deleteFrom('barcode_rules')
      .where('tag', '=', tag)
      .returning('tag')
      .execute();
    if (gone.length === 0) throw missing(`barcode rule ${tag}`);
  });
  return {};
}

function idRuleText({ robotNumber, barcodeLength }: MediaIdRule): string {
  return `the media id rule of robot ${robotNumber} for ${barcodeLength} signs`;
}

async function setMediaIdRule(parts: Parts, rule: MediaIdRule) {
  checkIdRule(rule);
  const row = {
    ...{ robot_number: rule.robotNumber, barcode_length: rule.barcodeLength, rule: rule.rule },
  };
  await edit(parts, idRuleText(rule), (tx) =>
    tx
      .insertInto('media_id_rules')
      .values(row)
      .onConflict((conflict) =>
        conflict.columns(['robot_number', 'barcode_length']).doUpdateSet(row),
      )
      .execute(),
  );
  return {};
}

async function deleteMediaIdRule(parts: Parts, rule: MediaIdRule) {
  await edit(parts, idRuleText(rule), async (tx) => {
    const gone = await tx
      .deleteFrom('media_id_rules')
      .where('robot_number', '=', rule.robotNumber)
      .where('barcode_length', '=', rule.barcodeLength)
      .returning('rule')
      .execute();
    if (gone.length === 0) throw missing(idRuleText(rule));
  });
  return {};
}
