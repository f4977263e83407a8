// node tools/provision/key-store.ts: makes nbkms's empty key store on its fresh volume, at an installation's first start
// and never again. The marker may be kept apart from the store, so that it outlives a lost volume.

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { asStatusError, exitCode } from '@tapestry/status';
import { prepareKeyStore } from '../launcher/key-store.ts';
import { STATE_DIR } from './services.ts';

const { values } = parseArgs({
  options: { state: { type: 'string', default: STATE_DIR }, marker: { type: 'string' } },
});
try {
  const marker = values.marker ?? join(values.state, 'key-store.json');
  process.stdout.write(await prepareKeyStore({ stateDir: values.state, marker }));
} catch (error) {
  const { detail, status } = asStatusError(error);
  process.stderr.write(`key-store: ${detail}\n`);
  process.exitCode = exitCode(status);
}
