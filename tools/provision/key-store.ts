// node tools/provision/key-store.ts: makes nbkms's empty key store on its fresh volume, at an installation's first start
// and never again: a marker elsewhere remembers it, so that a store that got lost is never replaced by an empty one.

import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '../launcher/layout.ts';
import { STATE_DIR } from './services.ts';

const { values } = parseArgs({
  options: { state: { type: 'string', default: STATE_DIR }, marker: { type: 'string' } },
});
const marker = values.marker ?? join(values.state, 'key-store.json');
if (existsSync(marker)) {
  process.stdout.write('the key store was made before\n');
  process.exit(0);
}
// A set-up that was cut short after the store and before its marker.
const made = existsSync(join(values.state, 'nbkms/db/KMS_DATA.dat'));
const status = made ? 0 : create();
if (status === 0) writeFileSync(marker, `${JSON.stringify({ createdMs: Date.now() })}\n`);
process.exit(status);

function create(): number {
  const { status } = spawnSync(
    process.execPath,
    [join(ROOT, 'apps/nbkms/src/main.ts'), '-createemptydb'],
    { stdio: 'inherit', env: { ...process.env, TAPESTRY_STATE_DIR: values.state } },
  );
  return status ?? 1;
}
