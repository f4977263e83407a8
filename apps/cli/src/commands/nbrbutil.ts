// nbrbutil: who waits for drives and volumes and why, who holds them, and what an operator may do about it.

import type { Client } from '@tapestry/bus';
import type { DumpReply } from '@tapestry/contracts';
import { type Context, command, requireSome } from '../command.ts';
import { type OptionTable, type ParsedLine, usage } from '../option-table.ts';
import { activeLines, dumpText, unknownLines } from '../render/resources.ts';
import { writeText } from '../text-file.ts';

const ANY = /^[^-]/;

const options = {
  dump: { kind: 'flag', help: 'all requests, grants and resources of unknown state' },
  dumptables: { kind: 'flag', help: 'the same, with counters; into a file with -f' },
  f: { kind: 'word', value: 'FILE', help: 'for -dumptables' },
  listActiveJobs: { kind: 'flag', help: 'jobs that hold resources' },
  listActiveDriveJobs: { kind: 'maybe', pattern: ANY, value: 'DRIVE', help: 'by drive' },
  listActiveMediaJobs: { kind: 'word', value: 'ID', help: 'by volume' },
  listActiveStuJobs: { kind: 'word', value: 'UNIT', help: 'by storage unit' },
  listActivePoolJobs: { kind: 'word', value: 'POOL', help: 'by volume pool' },
  listOrphanedDrives: { kind: 'flag', help: 'drives whose state is unknown' },
  listOrphanedMedia: { kind: 'flag', help: 'volumes whose state is unknown' },
  releaseOrphanedDrive: { kind: 'word', value: 'DRIVE', help: 'vouch that this drive is idle' },
  releaseOrphanedMedia: { kind: 'word', value: 'ID', help: 'vouch that this volume is idle' },
  release: { kind: 'word', value: 'GRANT', help: 'take a grant from its job' },
  releaseMDS: { kind: 'word', value: 'GRANT', help: 'the same' },
  releaseDrive: { kind: 'word', value: 'DRIVE', help: 'take a drive from its jobs' },
  releaseMedia: { kind: 'word', value: 'ID', help: 'take a volume from its jobs' },
  resetMediaServer: { kind: 'word', value: 'HOST', help: 'take everything on a media server' },
  resetAll: { kind: 'flag', help: 'take everything from everybody' },
  releaseAllocHolds: { kind: 'flag', help: 'free what jobs that are over still hold' },
  cleanup: { kind: 'flag', help: 'the same' },
  syncAllocations: { kind: 'flag', help: 'the same' },
  reportInconsistentAllocations: { kind: 'flag', help: 'where books, jobs and drives differ' },
  suspend: { kind: 'flag', help: 'give nothing out any more' },
  resume: { kind: 'flag', help: 'give out again' },
  cancel: { kind: 'number', value: 'JOB', help: 'cancel the job that waits' },
  changePriority: { kind: 'number', value: 'JOB', help: 'another -priority for who waits' },
  priority: { kind: 'number', value: 'N', help: '0 to 99999' },
  setDriveGroupUnjoinable: { kind: 'word', value: 'DRIVE', help: 'no more streams on it' },
  setMediaGroupUnjoinable: { kind: 'word', value: 'ID', help: 'no more streams on it' },
} as const satisfies OptionTable;

type Line = ParsedLine<typeof options>['options'];

export const nbrbutil = command({
  purpose: 'show what waits for resources and what is held, and give it back',
  synopsis: [
    '-dump | -dumptables [-f FILE] | -reportInconsistentAllocations',
    '-listActiveJobs | -listActiveDriveJobs [DRIVE] | -listActiveMediaJobs ID',
    '-listActiveStuJobs UNIT | -listActivePoolJobs POOL',
    '-listOrphanedDrives | -listOrphanedMedia',
    '-releaseOrphanedDrive DRIVE | -releaseOrphanedMedia ID',
    '-release GRANT | -releaseMDS GRANT | -releaseDrive DRIVE | -releaseMedia ID',
    '-releaseAllocHolds | -cleanup | -syncAllocations',
    '-resetMediaServer HOST | -resetAll | -suspend | -resume',
    '-cancel JOB | -changePriority JOB -priority N',
    '-setDriveGroupUnjoinable DRIVE | -setMediaGroupUnjoinable ID',
  ],
  options,
  example: 'nbrbutil -dump',
  async run({ options: line }, context) {
    const nbrb = await context.client('nbrb');
    if (await change(nbrb, line, context)) return 0;
    if (line.reportInconsistentAllocations) {
      const { differences } = await nbrb.CheckAllocations({ repair: false });
      context.out(differences.map((each) => `${each}\n`).join('') || 'nothing differs\n');
      return 0;
    }
    show(await nbrb.Dump({}), line, context);
    return 0;
  },
});

/** False: the line asks to be shown something. */
async function change(nbrb: Client<'nbrb'>, line: Line, context: Context): Promise<boolean> {
  const requester = `${context.user}@${context.machine}`;
  const { releaseOrphanedDrive, releaseOrphanedMedia } = line;
  if (releaseOrphanedDrive !== undefined) {
    await nbrb.ReleaseUnknown({ kind: 'drive', name: releaseOrphanedDrive, requester });
  } else if (releaseOrphanedMedia !== undefined) {
    await nbrb.ReleaseUnknown({ kind: 'volume', name: releaseOrphanedMedia, requester });
  } else if (line.suspend || line.resume) {
    if (line.suspend && line.resume) throw usage('-suspend or -resume');
    await nbrb.SetSuspended({ suspended: line.suspend === true, requester });
  } else if (line.changePriority !== undefined) {
    if (line.priority === undefined) throw usage('-changePriority needs -priority');
    const jobId = BigInt(line.changePriority);
    await nbrb.ChangePriority({ jobId, priority: line.priority, requester });
  } else if (line.cancel !== undefined) {
    const nbjm = await context.client('nbjm');
    await nbjm.CancelJob({ jobId: BigInt(line.cancel), requester });
  } else if (line.releaseAllocHolds || line.cleanup || line.syncAllocations) {
    const { differences } = await nbrb.CheckAllocations({ repair: true });
    context.out(differences.map((each) => `looked after: ${each}\n`).join(''));
  } else if (line.setDriveGroupUnjoinable !== undefined) {
    await nbrb.CloseGroup({ kind: 'drive', name: line.setDriveGroupUnjoinable });
  } else if (line.setMediaGroupUnjoinable !== undefined) {
    await nbrb.CloseGroup({ kind: 'volume', name: line.setMediaGroupUnjoinable });
  } else {
    const taken = takenBack(line);
    if (taken === undefined) return false;
    const { grants } = await nbrb.TakeBack({ ...taken, requester });
    context.out(`${grants} grant${grants === 1 ? '' : 's'} taken back\n`);
  }
  return true;
}

function takenBack(line: Line): { readonly kind: string; readonly name: string } | undefined {
  const grant = line.release ?? line.releaseMDS;
  if (grant !== undefined) return { kind: 'grant', name: grant };
  if (line.releaseDrive !== undefined) return { kind: 'drive', name: line.releaseDrive };
  if (line.releaseMedia !== undefined) return { kind: 'volume', name: line.releaseMedia };
  if (line.resetMediaServer !== undefined) return { kind: 'host', name: line.resetMediaServer };
  return line.resetAll ? { kind: 'all', name: '' } : undefined;
}

function show(dump: DumpReply, line: Line, context: Context): void {
  if (line.dump || line.dumptables) {
    const text = dumpText(dump, line.dumptables === true);
    if (line.f === undefined) context.out(text);
    else writeText(context.cwd, line.f, text);
    return;
  }
  if (line.listOrphanedDrives || line.listOrphanedMedia) {
    const kind = line.listOrphanedDrives ? 'drive' : 'volume';
    const found = dump.unknown.filter((each) => each.kind === kind);
    context.out(unknownLines(requireSome(found, `no ${kind} is in an unknown state`)));
    return;
  }
  const wanted = {
    drive: line.listActiveDriveJobs === true ? undefined : line.listActiveDriveJobs,
    mediaId: line.listActiveMediaJobs,
    storageUnit: line.listActiveStuJobs,
    pool: line.listActivePoolJobs,
  };
  const any = line.listActiveJobs || line.listActiveDriveJobs === true;
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
}
