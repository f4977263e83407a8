// bpimagelist: the images in the catalog.

import { command, requireSome } from '../command.ts';
import { imageLong, imageRecords, imageTable } from '../render/image.ts';
import { seconds } from './bprestore.ts';

const LIMIT = 10_000;
const DAY_S = 86_400;

export const bpimagelist = command({
  purpose: 'list images',
  synopsis: [
    '[-backupid ID] [-client HOST] [-policy NAME] [-sl SCHEDULE] [-d DATE] [-e DATE]',
    '         [-hoursago N] [-media_id ID] [-L | -l | -U | -idonly]',
  ],
  options: {
    backupid: { kind: 'word', value: 'ID', help: 'one image' },
    client: { kind: 'word', value: 'HOST', help: 'images of this client' },
    policy: { kind: 'word', value: 'NAME', help: 'images of this policy' },
    sl: { kind: 'word', value: 'SCHEDULE', help: 'images of this schedule' },
    d: { kind: 'date', help: 'backups since then (the last day)' },
    e: { kind: 'date', help: 'backups until then (now)' },
    hoursago: { kind: 'number', value: 'N', help: 'backups of the last N hours' },
    media_id: { kind: 'word', value: 'ID', help: 'images with a fragment on this volume' },
    L: { kind: 'flag', help: 'long listing' },
    l: { kind: 'flag', help: 'records for programs' },
    U: { kind: 'flag', help: 'listing for people' },
    idonly: { kind: 'flag', help: 'backup ids only' },
  },
  example: 'bpimagelist -client filer1 -hoursago 48 -U',
  async run({ options }, context) {
    const nowS = Math.floor(context.nowMs() / 1000);
    const sinceS =
      options.hoursago !== undefined
        ? nowS - options.hoursago * 3_600
        : (options.d ??
          (options.backupid === undefined && options.e === undefined ? nowS - DAY_S : undefined));
    const { images, more } = await (await context.client('bpdbm')).ListImages({
      ...{ backupId: options.backupid, client: options.client, policy: options.policy },
      ...{ schedule: options.sl, mediaId: options.media_id, limit: LIMIT },
      ...{ startS: seconds(sinceS), endS: seconds(options.e) },
    });
    requireSome(images, 'no image matches (without -d or -hoursago the last day is listed)');
    if (options.idonly) {
      context.out(images.map(({ backupId }) => `${backupId}\n`).join(''));
    } else if (options.L) context.out(images.map((image) => `${imageLong(image)}\n`).join(''));
    else if (options.U) context.out(imageTable(images));
    else context.out(images.map(imageRecords).join(''));
    if (more) context.error(`There are more than ${LIMIT} images: name a shorter time.\n`);
    return 0;
  },
});
