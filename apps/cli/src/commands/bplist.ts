// bplist: the files that were backed up, as a user sees them.

import type { FileRow, ListFilesRequest } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { command } from '../command.ts';
import { usage } from '../option-table.ts';
import { fileLong, pathBytes, pathText } from '../render/file.ts';
import { requireNdmp, seconds } from './bprestore.ts';

const PAGE = 5_000;
/** What -R means without a number. */
const DEPTH_MAX = 999;

export const bplist = command({
  purpose: 'list files that were backed up',
  synopsis: [
    '-C CLIENT [-t 19] [-R [DEPTH]] [-l] [-b] [-s DATE] [-e DATE] [-p POLICY] [-backupid ID] [PATH]',
  ],
  options: {
    C: { kind: 'word', value: 'CLIENT', help: 'client that was backed up' },
    t: { kind: 'number', value: '19', help: 'policy type: 19 (NDMP)' },
    R: { kind: 'maybe', pattern: /^\d+$/, value: 'DEPTH', help: 'folders in folders too, so deep' },
    l: { kind: 'flag', help: 'mode, owner, size and time too' },
    b: { kind: 'flag', help: 'with -l: the time of the backup instead' },
    s: { kind: 'date', help: 'from backups since then' },
    e: { kind: 'date', help: 'as of then' },
    p: { kind: 'word', value: 'POLICY', help: 'from images of this policy' },
    backupid: { kind: 'word', value: 'ID', help: 'from this image' },
    pattern: { kind: 'word', value: 'PATTERN', help: 'only names that match: *.txt' },
  },
  operandsMax: 1,
  example: 'bplist -C filer1 -R -l /vol/home',
  async run({ options, operands }, context) {
    const { C: client, R } = options;
    if (client === undefined) throw usage('-C CLIENT is needed');
    requireNdmp(options.t ?? 19);
    const [path = ''] = operands;
    const bpdbm = await context.client('bpdbm');
    const request = {
      ...{ client, path: pathBytes(path), policy: options.p, backupId: options.backupid },
      ...{ startS: seconds(options.s), endS: seconds(options.e), pattern: options.pattern },
      recursionDepth: R === undefined ? 1 : R === true ? DEPTH_MAX : Number(R),
      limit: PAGE,
    };
    let afterPath: ListFilesRequest['afterPath'] = Buffer.alloc(0);
    for (let count = 0; ; ) {
      const { files, more } = await bpdbm.ListFiles({ ...request, afterPath });
      const line = (file: FileRow): string =>
        `${options.l ? fileLong(file, options.b) : pathText(file)}\n`;
      context.out(files.map(line).join(''));
      count += files.length;
      const last = files.at(-1);
      if (last !== undefined && more) afterPath = last.path;
      else if (count > 0) return 0;
      else throw new StatusError('notFound', `no backup of ${client} holds ${path || 'a file'}`);
    }
  },
});
