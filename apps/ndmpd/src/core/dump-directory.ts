// What a directory contained when it was saved, as GNU tar writes it into incremental archives
// (GNU.dumpdir): a letter and a name for each entry. It is how an incremental tells what is gone.

/** "D" for a directory, "Y" for anything else. */
export type DumpLetter = 'D' | 'Y';

const END = '\0';
/** A list longer than this is left out: a header must fit into memory on both sides. */
export const DUMP_DIRECTORY_BYTES_MAX = 64 * 1024 * 1024;

/** Names are latin1 strings, one character a byte. Undefined when the list would be too long. */
export function encodeDumpDirectory(
  entries: Iterable<{ readonly name: string; readonly letter: DumpLetter }>,
): Buffer | undefined {
  const parts: string[] = [];
  let bytes = 1;
  for (const { name, letter } of entries) {
    bytes += name.length + 2;
    if (bytes > DUMP_DIRECTORY_BYTES_MAX) return undefined;
    parts.push(letter, name, END);
  }
  parts.push(END);
  return Buffer.from(parts.join(''), 'latin1');
}

/** The names that were there. Letters of renames (R, T, X) name no entry and are passed over. */
export function dumpDirectoryNames(list: Buffer): Set<string> {
  const names = new Set<string>();
  let at = 0;
  while (at < list.length && list[at] !== 0) {
    const end = list.indexOf(0, at);
    const stop = end === -1 ? list.length : end;
    const letter = String.fromCharCode(list[at] as number);
    if ('YND'.includes(letter)) names.add(list.toString('latin1', at + 1, stop));
    at = stop + 1;
  }
  return names;
}
