// Builds gen/ from proto/: protobufjs's static codecs, and our own types and service table beside them.
// Why own types: protobufjs types 64-bit fields as Long, and its encode() turns a bigint into 0 without a word.

import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { bareMessages, describe, loadTree } from './generate/describe.ts';
import { renderServices } from './generate/services.ts';
import { renderTypes } from './generate/types.ts';

const here = import.meta.dirname;
const out = join(here, 'gen');
const staging = join(here, `gen.${process.pid}`);
const protoDir = join(here, 'proto');
// Absolute, because protobufjs knows a file by its path as spelt, and imports resolve to absolute ones.
const protos = globSync('tapestry/**/*.proto', { cwd: protoDir })
  .sort()
  .map((name) => join(protoDir, name));

mkdirSync(staging, { recursive: true });
try {
  const tree = loadTree(protoDir, protos);
  const bare = join(staging, 'messages.json');
  writeFileSync(bare, JSON.stringify(bareMessages(tree)));
  const require = createRequire(import.meta.url);
  const pbjs = join(require.resolve('protobufjs-cli/package.json'), '..', 'bin', 'pbjs');
  execFileSync(
    process.execPath,
    [
      pbjs,
      ...[
        '-t',
        'static-module',
        '-w',
        'esm',
        '--force-long',
        '--no-verify',
        '--no-delimited',
        '--no-create',
      ],
      // Comments would double what each daemon holds in memory.
      ...['--no-service', '--no-comments'],
      ...['-o', join(staging, 'messages.js'), bare],
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  rmSync(bare);
  const contracts = describe(tree);
  writeFileSync(
    join(staging, 'messages.d.ts'),
    'export const tapestry: Readonly<Record<string, unknown>>;\n',
  );
  writeFileSync(join(staging, 'types.ts'), renderTypes(contracts));
  writeFileSync(join(staging, 'services.ts'), renderServices(contracts));
  rmSync(out, { recursive: true, force: true });
  renameSync(staging, out);
} finally {
  rmSync(staging, { recursive: true, force: true });
}
