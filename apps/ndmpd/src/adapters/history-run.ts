// DATA_START_RECOVER_FILEHIST: reads an image and posts its history by path, writing nothing.

import { FILE_TYPE, U32_MAX } from '@tapestry/ndmp';
import type { RecoverOrder } from '../core/data-protocol.ts';
import { splitPath } from '../core/export-path.ts';
import { Selection } from '../core/selection.ts';
import type { DecodedMember } from '../core/tar-decode.ts';
import type { MemberType } from '../core/tar-encode.ts';
import { MemberReader } from './member-reader.ts';
import type { Reporter } from './reporter.ts';
import type { StreamSource } from './stream-source.ts';

const HISTORY_TYPE: Readonly<Record<MemberType, number>> = {
  file: FILE_TYPE.regular,
  hardlink: FILE_TYPE.regular,
  directory: FILE_TYPE.directory,
  symlink: FILE_TYPE.symlink,
  fifo: FILE_TYPE.fifo,
  char: FILE_TYPE.characterDevice,
  block: FILE_TYPE.blockDevice,
};

export async function postImageHistory(
  order: RecoverOrder,
  source: StreamSource,
  report: Reporter,
): Promise<void> {
  // Destinations are ignored here, so every element gets one that is always valid.
  const destinationPath = `/${order.exports[0]?.name ?? ''}`;
  const names = order.names.map((entry) => ({ ...entry, destinationPath, name: '' }));
  const selection = new Selection(names, { ...order, recursive: true });
  const reader = new MemberReader(source);
  source.planAll();
  for (;;) {
    const placed = await reader.next();
    if (placed === undefined) break;
    const path = splitPath(placed.member.path);
    if (path === undefined || selection.match(path) === undefined) continue;
    post(placed.member, placed.offset, report);
    const wait = report.room();
    if (wait !== undefined) await wait;
  }
  report.flushHistory();
}

/** An image knows neither inode numbers nor any time but the modification's. */
function post(member: DecodedMember, offset: number, report: Reporter): void {
  const seconds = Number(member.mtimeNs / 1_000_000_000n);
  report.historyFile({
    name: Buffer.concat([Buffer.from('/'), member.path]),
    stat: {
      type: HISTORY_TYPE[member.type],
      mtime: Math.min(Math.max(seconds, 0), U32_MAX - 1),
      atime: U32_MAX,
      ctime: U32_MAX,
      owner: member.uid,
      group: member.gid,
      mode: member.mode,
      size: BigInt(member.size),
      links: 1,
    },
    node: 0n,
    fhInfo: BigInt(offset),
  });
}
