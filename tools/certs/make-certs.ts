// node tools/certs/make-certs.ts --out DIR --server NAME=HOST,ADDRESS,… […]: makes an authority and server certificates.

import { parseArgs } from 'node:util';
import { ensureCertificates } from './certificates.ts';

const USAGE = `make-certs --out DIR --server NAME=HOST[,HOST…] [--server …]

Makes DIR/ca.pem and ca.key once, and DIR/NAME.pem and NAME.key for each server, good for the given host names and
addresses. What is there and still good stays. Keep ca.key away from the servers: only this command needs it.
`;

const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    server: { type: 'string', multiple: true },
    help: { type: 'boolean' },
  },
});
const servers = (values.server ?? []).map((text) => {
  const [name = '', hosts = ''] = text.split('=', 2);
  return [name, hosts.split(',').filter((host) => host !== '')] as const;
});
const wrong = servers.some(([name, hosts]) => !/^[a-z0-9-]+$/.test(name) || hosts.length === 0);
if (values.help || values.out === undefined || servers.length === 0 || wrong) {
  process.stdout.write(USAGE);
  process.exit(values.help ? 0 : 144);
}
const files = await ensureCertificates(values.out, Object.fromEntries(servers), Date.now());
process.stdout.write(`clients trust ${files.caFile} (TAPESTRY_NATS_CA_FILE)\n`);
