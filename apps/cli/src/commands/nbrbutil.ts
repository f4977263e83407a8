// nbrbutil: who waits for drives and volumes, who holds them, and giving back what nobody can vouch for.

import { command, requireSome } from '../command.ts';
import { usage } from '../option-table.ts';
import { activeLines, dumpText, unknownLines } from '../render/resources.ts';

const ANY = /^[^-]/;

export const nbrbutil = command({
  purpose: 'show what waits for resources and what is held',
  synopsis: [
    '-dump | -listActiveJobs | -listActiveDriveJobs [DRIVE] | -listActiveMediaJobs ID',
    '-listActiveStuJobs UNIT | -listActivePoolJobs POOL',
    '-listOrphanedDrives | -listOrphanedMedia',
    '-releaseOrphanedDrive DRIVE | -releaseOrphanedMedia ID',
  ],
  options: {
    dump: { kind: 'flag', help: 'all requests, grants and resources of unknown state' },
    listActiveJobs: { kind: 'flag', help: 'jobs that hold resources' },
    listActiveDriveJobs: { kind: 'maybe', pattern: ANY, value: 'DRIVE', help: 'by drive' },
    listActiveMediaJobs: { kind: 'word', value: 'ID', help: 'by volume' },
    listActiveStuJobs: { kind: 'word', value: 'UNIT', help: 'by storage unit' },
    listActivePoolJobs: { kind: 'word', value: 'POOL', help: 'by volume pool' },
    listOrphanedDrives: { kind: 'flag', help: 'drives whose state is unknown' },
    listOrphanedMedia: { kind: 'flag', help: 'volumes whose state is unknown' },
    releaseOrphanedDrive: { kind: 'word', value: 'DRIVE', help: 'vouch that this drive is idle' },
    releaseOrphanedMedia: { kind: 'word', value: 'ID', help: 'vouch that this volume is idle' },
  },
  example: 'nbrbutil -dump',
  async run({ options }, context) {
    const nbrb = await context.client('nbrb');
    const requester = `${context.user}@${context.machine}`;
    const { releaseOrphanedDrive: drive, releaseOrphanedMedia: volume } = options;
    if (drive !== undefined || volume !== undefined) {
      if (drive !== undefined) await nbrb.ReleaseUnknown({ kind: 'drive', name: drive, requester });
      if (volume !== undefined) {
        await nbrb.ReleaseUnknown({ kind: 'volume', name: volume, requester });
      }
      return 0;
    }
    const dump = await nbrb.Dump({});
    if (options.dump) {
      context.out(dumpText(dump));
      return 0;
    }
    if (options.listOrphanedDrives || options.listOrphanedMedia) {
      const kind = options.listOrphanedDrives ? 'drive' : 'volume';
      const found = dump.unknown.filter((each) => each.kind === kind);
      context.out(unknownLines(requireSome(found, `no ${kind} is in an unknown state`)));
      return 0;
    }
    const wanted = {
      drive: options.listActiveDriveJobs === true ? undefined : options.listActiveDriveJobs,
      mediaId: options.listActiveMediaJobs,
      storageUnit: options.listActiveStuJobs,
      pool: options.listActivePoolJobs,
    };
    const any = options.listActiveJobs || options.listActiveDriveJobs === true;
    if (!any && Object.values(wanted).every((each) => each === undefined)) {
      throw usage('say what to list: -dump for everything');
    }
    const found = dump.grants.filter(({ grant }) =>
      [
        [wanted.drive, grant?.drive?.name],
        [wanted.mediaId, grant?.volume?.mediaId],
        [wanted.storageUnit, grant?.storageUnit],
        [wanted.pool, grant?.volume?.pool],
      ].every(([want, has]) => want === undefined || want === has),
    );
    context.out(activeLines(requireSome(found, 'no job holds it')));
    return 0;
  },
});
