// node tools/provision/key-store.ts: makes nbkms's empty key store on its fresh volume, at an installation's first start
// and never again: a marker beside the store remembers it, and nbkms refuses to start without the store.

import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '../launcher/layout.ts';
import { STATE_DIR } from './services.ts';

const { values } = parseArgs({ options: { state: { type: 'string', default: STATE_DIR } } });
const marker = join(values.state, 'key-store.json');
if (existsSync(marker)) {
  process.stdout.write('the key store was made before\n');
  process.exit(0);
}
const { status } = spawnSync(
  process.execPath,
  [join(ROOT, 'apps/nbkms/src/main.ts'), '-createemptydb'],
  { stdio: 'inherit', env: { ...process.env, TAPESTRY_STATE_DIR: values.state } },
);
if (status === 0) writeFileSync(marker, `${JSON.stringify({ createdMs: Date.now() })}\n`);
process.exit(status ?? 1);
