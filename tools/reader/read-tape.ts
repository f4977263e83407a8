// Lists, verifies and extracts images from virtual cartridges, with nothing but Node and the folders of the cartridges.
//   node tools/reader/read-tape.ts list <cartridge folder>...
//   node tools/reader/read-tape.ts verify <cartridge folder>...
//   node tools/reader/read-tape.ts extract <backup id>[/copy] <cartridge folder>... > stream

import { writeSync } from 'node:fs';
import { readCartridge, TapeError } from './cartridge.ts';
import {
  ABORTED,
  type Fragment,
  type FragmentEnd,
  findFragments,
  readFragment,
  readLabel,
  STREAM_END,
  tapeFiles,
} from './fragments.ts';

const USAGE = 'usage: read-tape list|verify <folder>... | extract <backup id>[/copy] <folder>...\n';

function fragmentsOn(folders: readonly string[]): Fragment[] {
  return folders.flatMap((folder) => {
    const files = tapeFiles(readCartridge(folder));
    if (files.flat().length === 0) {
      process.stderr.write(`${folder}: blank\n`);
      return [];
    }
    const label = readLabel(files);
    process.stderr.write(`${folder}: volume ${label.mediaId}, pool ${label.pool}\n`);
    return findFragments(files);
  });
}

function list(folders: readonly string[]): void {
  for (const fragment of fragmentsOn(folders)) {
    const { backupId, copy, number, mediaId, file, client, policy, path } = fragment;
    const notes = [fragment.encrypted ? 'encrypted' : '', fragment.mover ? 'mover' : ''];
    if (fragment.stream > 0) notes.push(`stream ${fragment.stream}`);
    const place = `${mediaId}:${file}`;
    const line = [backupId, copy, number, place, fragment.begin, client, policy, path, ...notes];
    process.stdout.write(`${line.join('\t').trimEnd()}\n`);
  }
}

/** Reads everything and throws it away; answers how many fragments are bad. */
function verify(folders: readonly string[]): number {
  let bad = 0;
  for (const fragment of fragmentsOn(folders)) {
    const name = `${fragment.mediaId}:${fragment.file} ${fragment.backupId}`;
    try {
      const { end } = readFragment(fragment, () => {});
      process.stdout.write(`good\t${name}\t${end - fragment.begin} bytes\n`);
    } catch (error) {
      if (!(error instanceof TapeError)) throw error;
      bad += 1;
      process.stdout.write(`bad\t${name}\t${error.message}\n`);
    }
  }
  return bad;
}

function extract(image: string, folders: readonly string[]): void {
  const [backupId, copyText = '1'] = image.split('/');
  const mine = fragmentsOn(folders).filter(
    (f) => f.backupId === backupId && f.copy === Number(copyText),
  );
  const fragments = pickFragments(mine);
  if (fragments.length === 0) throw new TapeError(`no image ${image} on these cartridges`);
  let offset = 0n;
  let last: FragmentEnd | undefined;
  for (const [i, fragment] of fragments.entries()) {
    if (fragment.number !== i + 1 || fragment.begin !== offset) {
      throw new TapeError(
        `the fragment that begins at byte ${offset} is on none of these cartridges`,
      );
    }
    if (fragment.encrypted) throw new TapeError(`${image} is encrypted: its blocks need their key`);
    last = readFragment(fragment, writeOut);
    offset = last.end;
  }
  if (last?.endReason === ABORTED) {
    throw new TapeError('the job stopped here, the image is not whole');
  }
  if (last?.endReason !== STREAM_END) throw new TapeError('the image goes on on another volume');
}

/** A fragment that was written twice counts as it was written last. */
function pickFragments(fragments: readonly Fragment[]): Fragment[] {
  const byNumber = new Map<number, Fragment>();
  for (const fragment of fragments) {
    const other = byNumber.get(fragment.number);
    if (!other || fragment.writtenMs >= other.writtenMs) byNumber.set(fragment.number, fragment);
  }
  return [...byNumber.values()].sort((a, b) => a.number - b.number);
}

function writeOut(bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
}

function main([command, ...args]: readonly string[]): number {
  if (command === 'list' && args.length > 0) list(args);
  else if (command === 'verify' && args.length > 0) return verify(args) === 0 ? 0 : 1;
  else if (command === 'extract' && args.length > 1) extract(args[0] as string, args.slice(1));
  else {
    process.stderr.write(USAGE);
    return 2;
  }
  return 0;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof TapeError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
