// nbkmsutil: key groups, keys and their states, and holding the key store still while its files are copied.

import { command } from '../command.ts';
import { changeKeys } from '../key-edit.ts';
import { keyOptions } from '../key-line.ts';
import { usage } from '../option-table.ts';
import { showKeys } from '../render/keys.ts';

export const nbkmsutil = command({
  purpose: 'manage key groups and keys, and quiesce the key store for a copy',
  synopsis: [
    '-createkg -kgname NAME [-cipher AES_256] [-desc TEXT]',
    '-modifykg -kgname NAME [-name NEW] [-desc TEXT] | -deletekg -kgname NAME [-force]',
    '-listkgs [-kgname NAME | -emptykgs | -noactive] [-noverbose] [-json]',
    '-createkey -kgname NAME -keyname KEY [-activate] [-nopphrase | -passfile FILE] [-desc TEXT]',
    '-modifykey -kgname NAME -keyname KEY [-state STATE | -activate] [-name NEW] [-desc TEXT]',
    '           [-move_to_kgname NAME]',
    '-deletekey -kgname NAME -keyname KEY | -holdkey -kgname NAME -keyname KEY [-compromised]',
    '-recoverkey -kgname NAME -keyname KEY -tag TAG [-passfile FILE] [-derivation_name KEY]',
    '           [-kdf_profile N] [-unverified] [-desc TEXT]',
    '-listkeys -kgname NAME [-keyname KEY | -activekey] [-noverbose] [-json]',
    '-modifyhmk -id ID [-nopphrase | -passfile FILE] | -modifykpk -id ID [-nopphrase | -passfile FILE]',
    '-quiescedb [-lease NAME] [-ttl SECONDS] | -unquiescedb [-lease NAME | -all]',
    '-export -path FILE [-key_groups NAME ...] [-passfile FILE]',
    '-import -path FILE [-preserve_kgname] [-desc TEXT] [-preview] [-passfile FILE]',
    '-ksstats | -gethmkid | -getkpkid [-json]',
  ],
  options: keyOptions,
  example: 'nbkmsutil -createkey -kgname ENCR_gold -keyname gold-2026q4 -activate',
  async run({ options: line }, context) {
    const nbkms = await context.client('nbkms');
    if (await changeKeys(nbkms, line, context)) return 0;
    if (await showKeys(nbkms, line, context)) return 0;
    throw usage('one of the options that stand first in a form of the command is needed');
  },
});
