// Keys that leave for another site, and keys that come from one: as a file that a passphrase opens, carried over the
// bus in pieces.

import { randomBytes, randomUUID } from 'node:crypto';
import type { Handlers } from '@tapestry/bus';
import { StatusError } from '@tapestry/status';
import { digestOf } from './adapters/durable-files.ts';
import { openEscrow, sealEscrow } from './adapters/escrow-container.ts';
import { proofOf } from './adapters/record-sealing.ts';
import type { Vault } from './adapters/vault.ts';
import { type Escrowed, type IncomingKey, importKeys, selectGroups } from './core/escrow.ts';
import { deedOf, type KeyParts } from './key-handlers.ts';
import { change, committed, refusalsTold } from './key-service.ts';

const PIECE_BYTES = 256 * 1024;
const FILE_MAX_BYTES = 64 * 1024 * 1024;
const KEPT_MS = 10 * 60_000;
const TAG_BYTES = 32;

/** What is under way, and until when it is kept: one export and one import at a time. */
interface Carried {
  readonly id: string;
  readonly untilMs: number;
  readonly bytes: Buffer;
}

type EscrowedWithSecrets = Escrowed & {
  /** Base64, in the order of the keys. */
  readonly secrets: readonly string[];
};

export function escrowHandlers(
  parts: KeyParts,
): Pick<Handlers<'nbkms'>, 'Export' | 'ReadExport' | 'WriteImport' | 'Import'> {
  const { vault, passphrases, nowMs } = parts;
  let outgoing: Carried | undefined;
  let incoming: Carried | undefined;
  const kept = (carried: Carried | undefined, id: string): Carried => {
    if (carried?.id === id && nowMs() < carried.untilMs) return carried;
    throw new StatusError('notFound', 'this export or import is over: begin again');
  };
  return {
    Export: async ({ groups: names, passphrase, asked }, call) => {
      const deed = deedOf(call, names.join(' '), asked);
      const file = await refusalsTold(parts, deed, async () => {
        if (passphrase === null) throw new StatusError('kmsUsage', 'a passphrase is needed');
        const text = passphrases.open(passphrase);
        const { groups, keys } = selectGroups(vault.document, names);
        const head = { storeId: vault.header.storeId, madeMs: nowMs() };
        const content = contentOf(vault, { groups, keys });
        const counted = { ...head, groups: groups.length, keys: keys.length };
        const bytes = await sealEscrow(counted, content, text, passphrases.policy);
        content.fill(0);
        return { bytes, groups: groups.length, keys: keys.length };
      });
      await committed(parts, deed, async () => {});
      parts.alert(`${file.keys} keys were exported by ${deed.actor}`);
      outgoing = { id: randomUUID(), untilMs: nowMs() + KEPT_MS, bytes: file.bytes };
      return {
        ...{ exportId: outgoing.id, sizeBytes: BigInt(file.bytes.length) },
        ...{ sha256: digestOf(file.bytes), groups: file.groups, keys: file.keys },
      };
    },
    ReadExport: async ({ exportId, offset }) => {
      const { bytes } = kept(outgoing, exportId);
      const begin = Number(offset);
      if (begin + PIECE_BYTES >= bytes.length) outgoing = undefined;
      return { bytes: bytes.subarray(begin, begin + PIECE_BYTES) };
    },
    WriteImport: async ({ importId, offset, bytes: piece }) => {
      const isFirst = importId === '';
      const before = isFirst ? Buffer.alloc(0) : kept(incoming, importId).bytes;
      if (offset !== BigInt(before.length)) throw new StatusError('kmsUsage', 'a piece is missing');
      if (before.length + piece.length > FILE_MAX_BYTES) {
        throw new StatusError('exportFormat', 'the file is far too large');
      }
      const id = isFirst ? randomUUID() : importId;
      incoming = { id, untilMs: nowMs() + KEPT_MS, bytes: Buffer.concat([before, piece]) };
      return { importId: id };
    },
    Import: async ({ importId, passphrase, preserveNames, description, preview, asked }, call) => {
      const deed = deedOf(call, preview ? 'preview' : '', asked);
      const { bytes } = kept(incoming, importId);
      const content = await refusalsTold(parts, deed, async () => {
        if (passphrase === null) throw new StatusError('kmsUsage', 'a passphrase is needed');
        return await readContent(bytes, passphrases.open(passphrase), parts);
      });
      const tags = new Map<string, string>();
      const tagFor = (old: string) => {
        const tag = tags.get(old) ?? randomBytes(TAG_BYTES).toString('hex');
        tags.set(old, tag);
        return tag;
      };
      const step = (document: Vault['document'], atMs: number) => {
        const keys = content.keys.map((key, at) =>
          wrappedKey(vault, key, content.secrets[at] ?? ''),
        );
        const options = { suffix: preserveNames ? '' : suffixOf(atMs), description, tagFor };
        return importKeys(document, { groups: content.groups, keys }, options, parts.limits, atMs);
      };
      if (preview) {
        const { groups } = await refusalsTold(parts, deed, () => step(vault.document, nowMs()));
        return { groups: groups.map(onWire), generation: vault.header.generation };
      }
      const { groups, generation } = await change(parts, deed, step);
      incoming = undefined;
      return { groups: groups.map(onWire), generation };
    },
  };
}

/** `_YYYYMMDDhhmmss`, UTC. */
function suffixOf(atMs: number): string {
  return `_${new Date(atMs).toISOString().replace(/\D/g, '').slice(0, 14)}`;
}

function contentOf(vault: Vault, { groups, keys }: ReturnType<typeof selectGroups>): Buffer {
  const secrets = keys.map((key) => {
    const secret = vault.secretOf(key);
    const text = secret.toString('base64');
    secret.fill(0);
    return text;
  });
  const bare = keys.map(({ wrapped: _, mac: __, ...key }) => key);
  return Buffer.from(JSON.stringify({ groups, keys: bare, secrets }), 'utf8');
}

/** Errors: 1244, 1280, 1281. */
async function readContent(
  file: Buffer,
  passphrase: string,
  { passphrases }: KeyParts,
): Promise<EscrowedWithSecrets> {
  const { content } = await openEscrow(file, passphrase, passphrases.policy);
  const read = JSON.parse(content.toString('utf8')) as Partial<EscrowedWithSecrets>;
  content.fill(0);
  const { groups, keys, secrets } = read;
  if (Array.isArray(groups) && Array.isArray(keys) && secrets?.length === keys.length) {
    return { groups, keys, secrets };
  }
  throw new StatusError('exportFormat', 'these exported keys have a form of another release');
}

/** Errors: 1283 the record says of its secret what is not so. */
function wrappedKey(vault: Vault, key: Escrowed['keys'][number], text: string): IncomingKey {
  const secret = Buffer.from(text, 'base64');
  try {
    if (proofOf(secret) !== key.proof) {
      throw new StatusError('importAborted', `the record of key ${key.name} is not of its secret`);
    }
    return { ...key, wrapped: vault.wrap(secret) };
  } finally {
    secret.fill(0);
  }
}

function onWire({
  name,
  importedAs,
  imported,
  skipped,
}: ReturnType<typeof importKeys>['groups'][number]) {
  return { name, importedAs, imported, skipped: [...skipped] };
}
