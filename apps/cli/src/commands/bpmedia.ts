// bpmedia: keeps a volume from being written, lets it be written again, or gives it to another media server.

import { command } from '../command.ts';
import { PRIMARY_SERVER, usage } from '../option-table.ts';

const ACTIONS = ['freeze', 'unfreeze', 'suspend', 'unsuspend'] as const;

export const bpmedia = command({
  purpose: 'freeze or suspend a volume, take that back, or give it to another media server',
  synopsis: [
    '-freeze | -unfreeze | -suspend | -unsuspend -m ID [-h HOST]',
    '-movedb -m ID -newserver HOST',
  ],
  options: {
    freeze: { kind: 'flag', help: 'never write it until it is unfrozen; it may be read' },
    unfreeze: { kind: 'flag', help: 'write it again, and forget its errors' },
    suspend: { kind: 'flag', help: 'do not write it until all its images have expired' },
    unsuspend: { kind: 'flag', help: 'write it again' },
    movedb: { kind: 'flag', help: 'another media server writes on it from now on' },
    m: { kind: 'word', value: 'ID', help: 'media id' },
    h: { kind: 'word', value: 'HOST', help: 'only if it belongs to this media server' },
    newserver: { kind: 'word', value: 'HOST', help: 'the media server that gets it' },
    M: PRIMARY_SERVER,
  },
  example: 'bpmedia -freeze -m TAP001',
  async run({ options }, context) {
    const { m, h, movedb, newserver } = options;
    const chosen = ACTIONS.filter((action) => options[action]);
    if (m === undefined || chosen.length + Number(movedb) !== 1) {
      throw usage('-m ID and one of -freeze, -unfreeze, -suspend, -unsuspend and -movedb');
    }
    const nbemm = await context.client('nbemm');
    if (movedb) {
      if (newserver === undefined) throw usage('-movedb needs -newserver HOST');
      const change = { owner: newserver };
      await nbemm.ChangeVolumes({ mediaIds: [m], change, set: ['owner'] });
    } else await nbemm.SetVolumeStatus({ mediaId: m, action: chosen[0], owner: h });
    return 0;
  },
});
