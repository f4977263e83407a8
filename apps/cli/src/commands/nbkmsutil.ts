// nbkmsutil: what the key manager holds.

import type { KeyGroup, KmsInfo } from '@tapestry/contracts';
import { command, requireSome } from '../command.ts';
import { formatDateTime } from '../date-time.ts';
import { usage } from '../option-table.ts';
import { fields } from '../render/table.ts';

export const nbkmsutil = command({
  purpose: 'show the key store and its key groups',
  synopsis: ['-listkgs [-kgname NAME]', '-ksstats | -gethmkid | -getkpkid'],
  options: {
    listkgs: { kind: 'flag', help: 'list the key groups' },
    kgname: { kind: 'word', value: 'NAME', help: 'one key group' },
    ksstats: { kind: 'flag', help: 'state and numbers of the key store' },
    info: { kind: 'flag', help: 'the same as -ksstats' },
    gethmkid: { kind: 'flag', help: 'id of the host master key' },
    getkpkid: { kind: 'flag', help: 'id of the key protection key' },
  },
  example: 'nbkmsutil -listkgs',
  async run({ options }, context) {
    const nbkms = await context.client('nbkms');
    if (options.listkgs) {
      const { groups } = await nbkms.ListKeyGroups({ name: options.kgname });
      const { kgname } = options;
      const none = kgname === undefined ? 'there is no key group' : `there is no group ${kgname}`;
      for (const group of requireSome(groups, none)) context.out(`${groupText(group)}\n`);
      return 0;
    }
    const { ksstats, info, gethmkid, getkpkid } = options;
    if (!ksstats && !info && !gethmkid && !getkpkid) throw usage('-listkgs or -ksstats');
    const store = await nbkms.GetInfo({});
    if (gethmkid) context.out(`HMK ID: ${store.hmkId}\n`);
    if (getkpkid) context.out(`KPK ID: ${store.kpkId}\n`);
    if (ksstats || info) context.out(storeText(store));
    return 0;
  },
});

function groupText(group: KeyGroup): string {
  return fields([
    ['Key Group Name', group.name],
    ['Supported Cipher', group.cipher],
    ['Number of Keys', group.keys],
    ['Created', formatDateTime(group.createdMs / 1000n)],
    ['Description', group.description],
  ]);
}

function storeText(store: KmsInfo): string {
  return fields([
    ['Key store', store.ready ? 'ready' : 'not ready'],
    ['Version', store.storeVersion],
    ['Cipher', store.cipher],
    ['Key Groups', store.keyGroups],
    ['Keys', store.keys],
    ['Outstanding Quiesce Calls', store.quiesceCalls],
    ['HMK ID', store.hmkId],
    ['KPK ID', store.kpkId],
    ['Created', formatDateTime(store.createdMs / 1000n)],
    ['Modified', formatDateTime(store.modifiedMs / 1000n)],
  ]);
}
