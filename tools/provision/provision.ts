// node tools/provision/provision.ts files | servers | kubernetes: set-up of an installation in containers.

import { chownSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { asStatusError, exitCode } from '@tapestry/status';
import { deliver } from './deliver.ts';
import { secretList } from './kubernetes-secrets.ts';
import { ensureSecretStore } from './secret-store.ts';
import { provisionServers } from './servers.ts';
import { SECRETS_DIR } from './services.ts';

const USAGE = `provision files --store DIR --out DIR --hosts HOST[,HOST…] [--own UID:DIR …]
  Makes all secrets and certificates once in --store, and puts each container's into its folder below --out.
  --own gives the folder (a fresh volume) to the user.

provision servers --nats URL --database HOST [--replicas N] [--database-admin USER] [--secrets DIR]
  Makes roles, schemas and streams; waits for the servers.

provision kubernetes --store DIR --hosts HOST[,HOST…] [--namespace NAME] [--nats-servers N]
                     [--database HOST] [--database-ca FILE]
  The same secrets as Secret objects on standard output, for "kubectl apply -f -". Keep --store: a repeat with it
  changes nothing.
`;
const WAIT_MS = 120_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    store: { type: 'string', default: '' },
    out: { type: 'string', default: '' },
    hosts: { type: 'string', default: 'media1' },
    own: { type: 'string', multiple: true, default: [] },
    nats: { type: 'string', default: '' },
    replicas: { type: 'string', default: '1' },
    database: { type: 'string', default: 'postgres' },
    'database-admin': { type: 'string' },
    secrets: { type: 'string', default: SECRETS_DIR },
    namespace: { type: 'string', default: 'tapestry' },
    'nats-servers': { type: 'string', default: '1' },
    'database-ca': { type: 'string' },
    help: { type: 'boolean' },
  },
});
const [step] = positionals;
const hosts = values.hosts.split(',').filter((host) => host !== '');
const LOCAL = ['localhost', '127.0.0.1'];

process.exitCode = await main();

async function main(): Promise<number> {
  if (values.help) return usage(0);
  try {
    if (step === 'files' && values.store !== '' && values.out !== '') await files();
    else if (step === 'servers' && values.nats !== '') await servers();
    else if (step === 'kubernetes' && values.store !== '') await kubernetes();
    else return usage(144);
    return 0;
  } catch (error) {
    const { detail, status } = asStatusError(error);
    process.stderr.write(`provision: ${detail}\n`);
    return exitCode(status);
  }
}

function usage(code: number): number {
  process.stdout.write(USAGE);
  return code;
}

async function files(): Promise<void> {
  const plan = {
    hosts,
    nats: { serverNames: ['nats', ...LOCAL], monitorHost: '127.0.0.1', clusterHosts: [] },
    databaseNames: ['postgres', ...LOCAL],
  };
  deliver(values.out, await ensureSecretStore(values.store, plan, Date.now()));
  for (const each of values.own) {
    const [id = '', folder = ''] = each.split(':', 2);
    chownSync(folder, Number(id), Number(id));
  }
  process.stdout.write(`secrets for the media servers ${hosts.join(', ')} are in place\n`);
}

async function servers(): Promise<void> {
  const admin = values['database-admin'];
  await provisionServers({
    secretsDir: values.secrets,
    natsUrl: values.nats,
    replicas: Number(values.replicas),
    databaseHost: values.database,
    ...(admin === undefined ? {} : { databaseAdmin: admin }),
    waitMs: WAIT_MS,
    say: (text) => process.stdout.write(`${text}\n`),
  });
}

async function kubernetes(): Promise<void> {
  const { 'nats-servers': servers, 'database-ca': databaseCa } = values;
  const count = Number(servers);
  const pods = Array.from({ length: count }, (_none, i) => `nats-${i}.nats-pods`);
  const plan = {
    hosts,
    nats: {
      serverNames: ['nats', `nats.${values.namespace}.svc`, ...pods, ...LOCAL],
      monitorHost: '0.0.0.0',
      clusterHosts: count > 1 ? pods : [],
    },
    databaseNames: [values.database, ...LOCAL],
    ...(databaseCa === undefined ? {} : { databaseAuthority: readFileSync(databaseCa, 'utf8') }),
  };
  const deliveries = await ensureSecretStore(values.store, plan, Date.now());
  const list = secretList(deliveries, values.namespace);
  process.stdout.write(`${JSON.stringify(list, null, 1)}\n`);
}
