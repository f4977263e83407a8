// POSIX ACLs in their two forms: as the kernel keeps them in an extended attribute, and as the text that
// tar archives carry (SCHILY.acl.*) and `tar --acls` reads. Ids stay numbers in both.

const VERSION = 2;
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;
const NO_ID = 0xffff_ffff;

/** Tags of the kernel's form, with the words of the text. */
const TAGS: readonly { readonly tag: number; readonly word: string; readonly hasId: boolean }[] = [
  { tag: 0x01, word: 'user', hasId: false },
  { tag: 0x02, word: 'user', hasId: true },
  { tag: 0x04, word: 'group', hasId: false },
  { tag: 0x08, word: 'group', hasId: true },
  { tag: 0x10, word: 'mask', hasId: false },
  { tag: 0x20, word: 'other', hasId: false },
];

export const ACL_XATTRS: readonly { readonly xattr: string; readonly key: string }[] = [
  { xattr: 'system.posix_acl_access', key: 'SCHILY.acl.access' },
  { xattr: 'system.posix_acl_default', key: 'SCHILY.acl.default' },
];

/** Undefined when the attribute is of no form that is known here. */
export function aclText(attribute: Buffer): string | undefined {
  const count = (attribute.length - HEADER_BYTES) / ENTRY_BYTES;
  if (!Number.isInteger(count) || count < 0) return undefined;
  if (attribute.readUInt32LE(0) !== VERSION) return undefined;
  const entries: string[] = [];
  for (let at = HEADER_BYTES; at < attribute.length; at += ENTRY_BYTES) {
    const row = TAGS.find(({ tag }) => tag === attribute.readUInt16LE(at));
    if (row === undefined) return undefined;
    const id = row.hasId ? String(attribute.readUInt32LE(at + 4)) : '';
    entries.push(`${row.word}:${id}:${bitsText(attribute.readUInt16LE(at + 2))}`);
  }
  return entries.join(',');
}

function bitsText(bits: number): string {
  return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${bits & 1 ? 'x' : '-'}`;
}

/** The attribute of a text with numbers for ids; undefined for any other. */
export function aclAttribute(text: string): Buffer | undefined {
  const entries: { tag: number; bits: number; id: number }[] = [];
  for (const line of text.split(/[,\n]/)) {
    const entry = line.replace(/#.*/, '').trim();
    if (entry === '') continue;
    const match = /^(user|group|mask|other):(\d*):([r-])([w-])([x-])(?::\d+)?$/.exec(entry);
    const row = TAGS.find(({ word, hasId }) => word === match?.[1] && hasId === (match[2] !== ''));
    if (match === null || row === undefined) return undefined;
    const [, , id, r, w, x] = match;
    const bits = (r === 'r' ? 4 : 0) + (w === 'w' ? 2 : 0) + (x === 'x' ? 1 : 0);
    entries.push({ tag: row.tag, bits, id: row.hasId ? Number(id) : NO_ID });
  }
  if (entries.some(({ id }) => id > NO_ID)) return undefined;
  // The kernel wants them by tag, then by id.
  entries.sort((a, b) => a.tag - b.tag || a.id - b.id);
  const attribute = Buffer.alloc(HEADER_BYTES + ENTRY_BYTES * entries.length);
  attribute.writeUInt32LE(VERSION, 0);
  for (const [i, { tag, bits, id }] of entries.entries()) {
    const at = HEADER_BYTES + ENTRY_BYTES * i;
    attribute.writeUInt16LE(tag, at);
    attribute.writeUInt16LE(bits, at + 2);
    attribute.writeUInt32LE(id, at + 4);
  }
  return attribute;
}
