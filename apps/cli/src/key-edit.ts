// What nbkmsutil changes. Passphrases come from a file or the keyboard, and leave this process sealed to nbkms.

import type { Client } from '@tapestry/bus';
import type { Asked, Init, KeyChange, QuiesceReply } from '@tapestry/contracts';
import type { Context } from './command.ts';
import { exportKeys, importKeys } from './key-export.ts';
import type { KeyLine } from './key-line.ts';
import { sealedPassphrase } from './key-passphrase.ts';
import { usage } from './option-table.ts';
import { groupText, toJson } from './render/keys.ts';
import { fields } from './render/table.ts';

type Nbkms = Client<'nbkms'>;

/** False: the line asks for no change. */
export async function changeKeys(nbkms: Nbkms, line: KeyLine, context: Context): Promise<boolean> {
  const asked = { requester: `${context.user}@${context.machine}`, reason: line.reason };
  if (line.createkg || line.modifykg || line.deletekg)
    await changeGroup(nbkms, line, context, asked);
  else if (line.quiescedb || line.unquiescedb) await holdStill(nbkms, line, context, asked);
  else if (line.export) await exportKeys(nbkms, line, context, asked);
  else if (line.import) await importKeys(nbkms, line, context, asked);
  else if (line.modifyhmk || line.modifykpk) await changeMaster(nbkms, line, context, asked);
  else {
    const change = await changeKey(nbkms, line, context, asked);
    if (change === undefined) return false;
    tell(change, line, context);
  }
  return true;
}

async function changeGroup(
  nbkms: Nbkms,
  line: KeyLine,
  context: Context,
  asked: Init<Asked>,
): Promise<void> {
  const { desc: description, cipher, force } = line;
  const name = needed(line.kgname, '-kgname');
  if (line.deletekg) {
    const { keysDeleted } = await nbkms.DeleteKeyGroup({ name, force, asked });
    const what = keysDeleted === 0 ? '' : `, and ${keysDeleted} keys with it`;
    context.out(`key group ${name} was deleted${what}\n`);
    return;
  }
  const group = line.createkg
    ? await nbkms.CreateKeyGroup({ name, cipher, description, asked })
    : await nbkms.ModifyKeyGroup({ name, newName: line.name, description, asked });
  context.out(line.json ? toJson(group) : groupText(group));
}

async function changeKey(
  nbkms: Nbkms,
  line: KeyLine,
  context: Context,
  asked: Init<Asked>,
): Promise<KeyChange | undefined> {
  const { desc: description, activate } = line;
  const names = () => ({
    group: needed(line.kgname, '-kgname'),
    name: needed(line.keyname, '-keyname'),
  });
  if (line.createkey) {
    const passphrase = await newPassphrase(nbkms, line, context);
    return await nbkms.CreateKey({ ...names(), description, activate, passphrase, asked });
  }
  if (line.modifykey) {
    if (activate && line.state !== undefined)
      throw usage('-activate and -state exclude each other');
    return await nbkms.ModifyKey({
      ...{ ...names(), newName: line.name, description, moveTo: line.move_to_kgname, asked },
      state: activate ? 'active' : line.state,
    });
  }
  if (line.deletekey) return await nbkms.DeleteKey({ ...names(), asked });
  if (line.holdkey)
    return await nbkms.HoldKey({ ...names(), compromised: line.compromised, asked });
  if (!line.recoverkey) return undefined;
  const { unverified, derivation_name: derivationName, kdf_profile: profile } = line;
  const tag = needed(line.tag, '-tag').toLowerCase();
  const passphrase = await sealedPassphrase(nbkms, line.passfile, context, 'once');
  const request = { ...names(), tag, description, derivationName, profile, unverified };
  return await nbkms.RecoverKey({ ...request, passphrase, asked });
}

async function changeMaster(
  nbkms: Nbkms,
  line: KeyLine,
  context: Context,
  asked: Init<Asked>,
): Promise<void> {
  const which = line.modifyhmk ? 'hmk' : 'kpk';
  const id = needed(line.id, '-id');
  const passphrase = await newPassphrase(nbkms, line, context);
  const info = await nbkms.ModifyMasterKey({ which, id, passphrase, asked });
  const now = which === 'hmk' ? info.hmkId : info.kpkId;
  context.out(
    `${which.toUpperCase()} ID: ${now}\n` +
      'Copies of the key store from before this change need the master key files from before it.\n',
  );
}

async function holdStill(
  nbkms: Nbkms,
  line: KeyLine,
  context: Context,
  asked: Init<Asked>,
): Promise<void> {
  const { lease: name, ttl, all } = line;
  if (line.quiescedb) {
    const ttlMs = ttl === undefined ? undefined : BigInt(ttl) * 1_000n;
    const reply = await nbkms.Quiesce({ name, ttlMs, asked });
    context.out(line.json ? toJson(reply) : quiescedText(reply));
    return;
  }
  if (all && line.reason === undefined) throw usage('-all needs -reason TEXT');
  const reply = await nbkms.Unquiesce({ name, all, asked });
  const left = `Outstanding Quiesce Calls: ${reply.outstanding}\n`;
  context.out(line.json ? toJson(reply) : `Key store unquiesce was successful\n${left}`);
}

function quiescedText({ outstanding, generation, epoch, files }: QuiesceReply): string {
  const rows = files.map(({ path, sha256 }) => `  ${sha256}  ${path}\n`).join('');
  return (
    `Key store quiesce was successful\nOutstanding Quiesce Calls: ${outstanding}\n` +
    `Generation ${generation}, epoch ${epoch}. Copy these files; their copies have these SHA-256 sums:\n${rows}`
  );
}

function tell(change: KeyChange, line: KeyLine, context: Context): void {
  const { key, demoted, changed, warnings } = change;
  if (line.json) context.out(toJson(change));
  else if (!changed) context.out(`key ${line.keyname} is so already\n`);
  else if (line.deletekey) context.out(`key ${key?.name} with tag ${key?.tag} was deleted\n`);
  else {
    const rows = [
      ['Key Name', key?.name ?? ''],
      ['Key Tag', key?.tag ?? ''],
      ['State', key?.state ?? ''],
      ['Key Group', key?.group ?? ''],
    ] as const;
    context.out(fields(rows));
    if (demoted !== null) context.out(`${demoted.name} was active before, and is inactive now\n`);
  }
  for (const warning of warnings) context.error(`warning: ${warning}\n`);
}

/** Undefined for a random key. */
async function newPassphrase(nbkms: Nbkms, line: KeyLine, context: Context) {
  if (!line.nopphrase) return await sealedPassphrase(nbkms, line.passfile, context);
  if (line.passfile !== undefined) throw usage('-nopphrase and -passfile exclude each other');
  return undefined;
}

function needed(value: string | undefined, option: string): string {
  if (value === undefined) throw usage(`${option} is needed`);
  return value;
}
