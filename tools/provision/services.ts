// What runs in containers, said once: compose and Kubernetes files are both made from this, so that they cannot differ in
// what a daemon is told.

import { callerToken, type Identity, SERVICES, type ServiceName } from '@tapestry/contracts';

export type DaemonName = ServiceName | 'console';

/** Mounted read-only into each container: the secrets of that service alone. */
export const SECRETS_DIR = '/run/tapestry';
export const STATE_DIR = '/var/lib/tapestry';
/** The virtual library, shared by a media server's ltid and bptm under one path. */
export const LIBRARY_DIR = '/srv/library';
/** All our processes run as this user, but for the filer, which reads and restores everybody's files. */
export const USER_ID = 1000;
/** PostgreSQL's user in its Debian image. */
export const POSTGRES_USER_ID = 999;

export const NATS_PORT = 4222;
export const NATS_MONITOR_PORT = 8222;
export const NATS_CLUSTER_PORT = 6222;
export const POSTGRES_PORT = 5432;
export const NDMP_PORT = 10_000;
/** Data connections of filers: as many as streams may run at once on a media server. */
export const DATA_PORTS = { first: 10_100, last: 10_131 } as const;

/** The same in every deployment; a media server's daemons may share one network, so all differ. */
const HTTP_PORTS: Readonly<Record<DaemonName, number>> = {
  console: 8080,
  bprd: 8101,
  nbpem: 8102,
  nbjm: 8103,
  nbrb: 8104,
  nbemm: 8105,
  bpjobd: 8106,
  bpdbm: 8107,
  nbkms: 8108,
  bpcd: 8111,
  bpbrm: 8112,
  bptm: 8113,
  ltid: 8114,
  ndmpagent: 8115,
};

const WITH_DATABASE: readonly DaemonName[] = ['nbpem', 'nbjm', 'nbrb', 'nbemm', 'bpjobd', 'bpdbm'];
const WITH_STATE: readonly DaemonName[] = [
  ...(['bpdbm', 'nbkms', 'console'] as const),
  ...(['bpbrm', 'bptm', 'ltid', 'ndmpagent'] as const),
];

/** Secret files of single daemons: setting → name of the file. */
const OWN_SECRETS: Partial<Record<DaemonName, Readonly<Record<string, string>>>> = {
  nbjm: { NBJM_TICKET_KEY_FILE: 'ticket.key' },
  bpcd: { BPCD_TICKET_PUBLIC_KEY_FILE: 'ticket.pub' },
  nbemm: { NBEMM_SEAL_KEY_FILE: 'nbemm-seal.key' },
  console: { CONSOLE_PASSWORD_FILE: 'console.passwd' },
};

export interface Service {
  readonly daemon: DaemonName;
  /** Name of its container and of its secrets: `nbjm`, `bptm-media1`. */
  readonly name: string;
  readonly identity: Identity;
  readonly port: number;
  readonly usesDatabase: boolean;
  readonly keepsState: boolean;
  readonly usesLibrary: boolean;
  /** File names in SECRETS_DIR. */
  readonly secretFiles: readonly string[];
}

export const DAEMONS = Object.keys(HTTP_PORTS) as DaemonName[];
export const PRIMARY_DAEMONS = DAEMONS.filter((name) => !isPerHost(name));
export const MEDIA_DAEMONS = DAEMONS.filter(isPerHost);

function isPerHost(name: DaemonName): boolean {
  return name !== 'console' && SERVICES[name].perHost;
}

export function serviceOf(daemon: DaemonName, host?: string): Service {
  const identity = host === undefined ? { service: daemon } : { service: daemon, host };
  const usesDatabase = WITH_DATABASE.includes(daemon);
  return {
    ...{ daemon, identity, usesDatabase },
    name: callerToken(identity),
    port: HTTP_PORTS[daemon],
    keepsState: WITH_STATE.includes(daemon),
    usesLibrary: daemon === 'ltid' || daemon === 'bptm',
    secretFiles: [
      ...['ca.pem', 'bus-password'],
      ...(usesDatabase ? ['database-ca.pem', 'database-password'] : []),
      ...Object.values(OWN_SECRETS[daemon] ?? {}),
    ],
  };
}

/** What tells apart one deployment's environment from another's. */
export interface Surroundings {
  readonly natsUrl: string;
  readonly databaseHost: string;
  readonly logLevel: string;
  /** Where media servers deliver file lists. */
  readonly uploadUrl: string;
  /** Where filers reach the data ports of the service's host. */
  readonly dataHost: (host: string) => string;
}

export function environmentOf(service: Service, around: Surroundings): Record<string, string> {
  const secret = (name: string): string => `${SECRETS_DIR}/${name}`;
  const { daemon, identity } = service;
  const own = Object.entries(OWN_SECRETS[daemon] ?? {});
  return {
    TAPESTRY_NATS_URL: around.natsUrl,
    TAPESTRY_NATS_PASSWORD_FILE: secret('bus-password'),
    TAPESTRY_NATS_CA_FILE: secret('ca.pem'),
    ...(identity.host === undefined ? {} : { TAPESTRY_HOST: identity.host }),
    TAPESTRY_HTTP_HOST: '0.0.0.0',
    TAPESTRY_HTTP_PORT: String(service.port),
    TAPESTRY_STATE_DIR: STATE_DIR,
    TAPESTRY_LOG_LEVEL: around.logLevel,
    ...(service.usesDatabase
      ? {
          TAPESTRY_DATABASE_URL: databaseUrl(daemon, around.databaseHost),
          TAPESTRY_DATABASE_PASSWORD_FILE: secret('database-password'),
        }
      : {}),
    ...Object.fromEntries(own.map(([name, file]) => [name, secret(file)])),
    ...(daemon === 'bpdbm' ? { BPDBM_UPLOAD_URL: around.uploadUrl } : {}),
    ...(daemon === 'bptm' && identity.host !== undefined
      ? {
          BPTM_DATA_HOST: around.dataHost(identity.host),
          BPTM_FIRST_PORT: String(DATA_PORTS.first),
          BPTM_LAST_PORT: String(DATA_PORTS.last),
        }
      : {}),
  };
}

/** The password is in a file; the server must prove to be the one that its authority signed. */
export function databaseUrl(role: string, host: string): string {
  const tls = `sslmode=verify-full&sslrootcert=${SECRETS_DIR}/database-ca.pem`;
  return `postgres://${role}@${host}:${POSTGRES_PORT}/tapestry?${tls}`;
}

export function commandOf(daemon: DaemonName): string[] {
  return ['node', `apps/${daemon}/src/main.ts`];
}

/** Everything that runs for these media servers, the primary's daemons first. */
export function servicesOf(hosts: readonly string[]): Service[] {
  return [
    ...PRIMARY_DAEMONS.map((daemon) => serviceOf(daemon)),
    ...hosts.flatMap((host) => MEDIA_DAEMONS.map((daemon) => serviceOf(daemon, host))),
  ];
}
