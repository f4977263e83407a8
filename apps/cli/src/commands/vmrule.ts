// vmrule: the rules by which an inventory sorts and names new cartridges.

import type { Client } from '@tapestry/bus';
import type { BarcodeRule } from '@tapestry/contracts';
import { type Context, command, requireSome } from '../command.ts';
import { EMM_SERVER, type ParsedLine, usage } from '../option-table.ts';
import { fields, table } from '../render/table.ts';
import { poolName } from './vmadd.ts';

const RULE = 'TAG TYPE POOL MAX TEXT';
const OPTIONS = {
  listall: { kind: 'flag', help: 'list the barcode rules, in the order in which they are tried' },
  b: { kind: 'flag', help: 'a line each' },
  add: { kind: 'words', count: 5, value: RULE, help: 'make a barcode rule' },
  change: { kind: 'words', count: 5, value: RULE, help: 'change a barcode rule' },
  delete: { kind: 'word', value: 'TAG', help: 'delete a barcode rule' },
  list_id_rules: { kind: 'flag', help: 'list the media id rules' },
  set_id_rule: {
    kind: 'words',
    count: 3,
    value: 'ROBOT LENGTH RULE',
    help: 'media ids from barcodes of a length: 1:2:3:4:5:6, #X puts X in',
  },
  delete_id_rule: {
    kind: 'words',
    count: 2,
    value: 'ROBOT LENGTH',
    help: 'back to the last six signs, of an LTO label the first six',
  },
  h: EMM_SERVER,
} as const;

type Line = ParsedLine<typeof OPTIONS>['options'];

export const vmrule = command({
  purpose: 'list, make, change or delete barcode rules and media id rules',
  synopsis: [
    '-listall [-b] | -list_id_rules',
    '-add TAG MEDIA_TYPE POOL MAX_MOUNTS DESCRIPTION',
    '-change TAG MEDIA_TYPE POOL MAX_MOUNTS DESCRIPTION',
    '-delete TAG',
    '-set_id_rule ROBOT LENGTH RULE | -delete_id_rule ROBOT LENGTH',
  ],
  options: OPTIONS,
  example: 'vmrule -add CLN HCART_CLN None 30 "cleaning cartridges"',
  async run({ options }, context) {
    const nbemm = await context.client('nbemm');
    const words = options.add ?? options.change;
    const verbs = [options.add, options.change, options.delete].filter((verb) => verb);
    if (verbs.length > 1) throw usage('-add, -change and -delete exclude each other');
    if (words !== undefined) {
      const rule = await ruleOf(words, context);
      await nbemm.SetBarcodeRule({ rule, update: options.change !== undefined });
    } else if (options.delete !== undefined) {
      await nbemm.DeleteBarcodeRule({ name: options.delete });
    } else if (options.listall) await list(options, nbemm, context);
    else await idRules(options, nbemm, context);
    return 0;
  },
});

async function ruleOf(words: readonly string[], context: Context) {
  const [tag, mediaType, pool = '', max = '', description] = words;
  return {
    ...{ tag, mediaType: mediaType?.toUpperCase(), description },
    pool: await poolName(context, pool),
    maxMounts: number('the most mounts', max),
  };
}

function number(what: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw usage(`${what} is a number, not '${text}'`);
  return Number(text);
}

async function list({ b }: Line, nbemm: Client<'nbemm'>, context: Context): Promise<void> {
  const { rules } = await nbemm.ListBarcodeRules({});
  requireSome(rules, 'there is no barcode rule');
  if (b) context.out(brief(rules));
  else for (const rule of rules) context.out(`${long(rule)}\n`);
}

function brief(rules: readonly BarcodeRule[]): string {
  return table(
    [
      ...[{ title: 'barcode tag' }, { title: 'media type' }, { title: 'volume pool' }],
      ...[{ title: 'max mounts/cleanings', right: true }, { title: 'description' }],
    ],
    rules.map(({ tag, mediaType, pool, maxMounts, description }) => [
      ...[tag, mediaType, pool, String(maxMounts), description],
    ]),
  );
}

function long({ tag, mediaType, pool, maxMounts, description }: BarcodeRule): string {
  return fields([
    ['barcode tag', tag],
    ['media type', mediaType],
    ['volume pool', pool],
    ['max mounts/cleanings', maxMounts],
    ['description', description],
  ]);
}

async function idRules(options: Line, nbemm: Client<'nbemm'>, context: Context): Promise<void> {
  const words = options.set_id_rule ?? options.delete_id_rule;
  if (words !== undefined) {
    const [robot = '', length = '', rule] = words;
    const robotNumber = number('the robot', robot);
    const key = { robotNumber, barcodeLength: number('the length', length) };
    if (rule === undefined) await nbemm.DeleteMediaIdRule(key);
    else await nbemm.SetMediaIdRule({ ...key, rule });
    return;
  }
  if (!options.list_id_rules) throw usage('say what to do');
  const { rules } = await nbemm.ListMediaIdRules({});
  requireSome(rules, 'there is no media id rule');
  const titles = [
    { title: 'robot', right: true },
    { title: 'length', right: true },
  ];
  const rows = rules.map(({ robotNumber, barcodeLength, rule }) => [
    ...[String(robotNumber), String(barcodeLength), rule],
  ]);
  context.out(table([...titles, { title: 'rule' }], rows));
}
