// Exported keys between a file here and nbkms, in pieces.

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Client } from '@tapestry/bus';
import type { Asked, ImportReply, Init } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { Context } from './command.ts';
import type { KeyLine } from './key-line.ts';
import { sealedPassphrase } from './key-passphrase.ts';
import { usage } from './option-table.ts';
import { toJson } from './render/keys.ts';

type Nbkms = Client<'nbkms'>;

const PIECE_BYTES = 256 * 1024;

/** Errors: 14 the file is there, or cannot be written. */
export async function exportKeys(
  nbkms: Nbkms,
  line: KeyLine,
  context: Context,
  asked: Init<Asked>,
): Promise<void> {
  if (line.path === undefined) throw usage('-path is needed');
  const path = resolve(context.cwd, line.path);
  const passphrase = await sealedPassphrase(nbkms, line.passfile, context);
  const groups = [...(line.key_groups ?? [])];
  const reply = await nbkms.Export({ groups, passphrase, asked });
  const pieces: Uint8Array[] = [];
  for (let at = 0n; at < reply.sizeBytes; ) {
    const { bytes } = await nbkms.ReadExport({ exportId: reply.exportId, offset: at });
    if (bytes.length === 0) break;
    pieces.push(bytes);
    at += BigInt(bytes.length);
  }
  const file = Buffer.concat(pieces);
  if (createHash('sha256').update(file).digest('hex') !== reply.sha256) {
    throw new StatusError('fileWriteFailed', 'the exported keys did not come whole: try again');
  }
  try {
    writeFileSync(path, file, { mode: 0o600, flag: 'wx', flush: true });
  } catch (cause) {
    throw new StatusError('fileWriteFailed', `${path} cannot be made`, {}, { cause });
  }
  const said = `${reply.groups} key groups with ${reply.keys} keys were exported to ${path}\nSHA-256 ${reply.sha256}\n`;
  context.out(line.json ? toJson(reply) : said);
}

/** Errors: 12 the file cannot be read. */
export async function importKeys(
  nbkms: Nbkms,
  line: KeyLine,
  context: Context,
  asked: Init<Asked>,
): Promise<void> {
  if (line.path === undefined) throw usage('-path is needed');
  const file = readWhole(resolve(context.cwd, line.path));
  let importId = '';
  for (let at = 0; at === 0 || at < file.length; at += PIECE_BYTES) {
    const bytes = file.subarray(at, at + PIECE_BYTES);
    ({ importId } = await nbkms.WriteImport({ importId, offset: BigInt(at), bytes }));
  }
  const passphrase = await sealedPassphrase(nbkms, line.passfile, context, 'once');
  const options = { preserveNames: line.preserve_kgname, description: line.desc };
  const { preview } = line;
  const reply = await nbkms.Import({ importId, passphrase, preview, ...options, asked });
  context.out(line.json ? toJson(reply) : importedText(reply, preview === true));
}

function readWhole(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new StatusError('fileOpenFailed', `the file ${path} cannot be read`, {}, { cause });
  }
}

function importedText({ groups }: ImportReply, isPreview: boolean): string {
  const verb = isPreview ? 'would be imported' : 'imported';
  return groups
    .map(({ name, importedAs, imported, skipped }) => {
      const first =
        importedAs === ''
          ? `${name}: nothing of it is new\n`
          : `${name}: ${verb} as ${importedAs}, ${imported} keys\n`;
      const rest = skipped.map(({ tag, reason }) => `  skipped ${tag}: ${reason}\n`);
      return `${first}${rest.join('')}`;
    })
    .join('');
}
