// The services, volumes and network of the compose file as data.

import {
  commandOf,
  environmentOf,
  LIBRARY_DIR,
  MEDIA_DAEMONS,
  NATS_MONITOR_PORT,
  NATS_PORT,
  NDMP_PORT,
  POSTGRES_USER_ID,
  SECRETS_DIR,
  type Service,
  STATE_DIR,
  type Surroundings,
  serviceOf,
  servicesOf,
  USER_ID,
} from '@tapestry/tools/provision/services.ts';
import { IMAGES } from '../images/images.ts';

export const MEDIA_HOST = 'media1';

export type Yaml = string | number | boolean | readonly Yaml[] | { readonly [key: string]: Yaml };
export type YamlMap = Readonly<Record<string, Yaml>>;

export const SURROUNDINGS: Surroundings = {
  natsUrl: `nats://nats:${NATS_PORT}`,
  databaseHost: 'postgres',
  logLevel: `\${TAPESTRY_LOG_LEVEL:-info}`,
  uploadUrl: `http://bpdbm:${serviceOf('bpdbm').port}`,
  dataHost: (host) => `bptm-${host}`,
};

const TAPESTRY_IMAGE = `\${TAPESTRY_IMAGE:-${IMAGES.tapestry}}`;
/** What every container shares: the file's anchor `hardened`. */
export const HARDENED = {
  read_only: true,
  cap_drop: ['ALL'],
  security_opt: ['no-new-privileges:true'],
  logging: { driver: 'json-file', options: { 'max-size': '10m', 'max-file': '3' } },
} as const;

/** What all our daemons share: the file's anchor `daemon`. */
export const DAEMON_DEFAULTS = {
  image: TAPESTRY_IMAGE,
  user: `${USER_ID}:${USER_ID}`,
  ...HARDENED,
  restart: 'unless-stopped',
  stop_grace_period: '30s',
  networks: ['tapestry'],
  depends_on: { provision: { condition: 'service_completed_successfully' } },
  healthcheck: {
    test: ['CMD', 'node', 'deploy/images/ready.js'],
    ...{ interval: '15s', timeout: '20s', retries: 4, start_period: '120s' },
  },
} as const satisfies YamlMap;

const secretsOf = (name: string): string => `secrets-${name}:${SECRETS_DIR}:ro`;
const ONE_SHOT = { image: TAPESTRY_IMAGE, ...HARDENED, restart: 'no' } as const;

export function composeServices(): Record<string, YamlMap> {
  return {
    ...setUpServices(),
    ...servers(),
    ...Object.fromEntries(
      servicesOf([MEDIA_HOST]).map((service) => [service.name, daemonService(service)]),
    ),
    [MEDIA_HOST]: mediaServerProcesses(),
    commands: commandsService(),
    filer: filerService(),
  };
}

function setUpServices(): Record<string, YamlMap> {
  const state = servicesOf([MEDIA_HOST]).filter(({ keepsState }) => keepsState);
  const owned = [
    ...state.map(({ name }) => ({ id: USER_ID, volume: `state-${name}` })),
    { id: USER_ID, volume: 'key-store-marker' },
    { id: USER_ID, volume: 'library' },
    { id: USER_ID, volume: 'nats' },
    { id: POSTGRES_USER_ID, volume: 'postgres' },
  ];
  return {
    files: {
      ...ONE_SHOT,
      // The one container of root: fresh volumes belong to root, and it gives each to its user.
      user: '0:0',
      cap_add: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER'],
      network_mode: 'none',
      command: [
        ...['node', 'tools/provision/provision.ts', 'files'],
        ...['--store', '/setup/store', '--out', '/setup/out', '--hosts', MEDIA_HOST],
        ...owned.flatMap(({ id, volume }) => ['--own', `${id}:/setup/own/${volume}`]),
      ],
      volumes: [
        'secret-store:/setup/store',
        ...secretVolumes().map(
          (volume) => `${volume}:/setup/out/${volume.slice('secrets-'.length)}`,
        ),
        ...owned.map(({ volume }) => `${volume}:/setup/own/${volume}`),
      ],
    },
    provision: {
      ...ONE_SHOT,
      user: `${USER_ID}:${USER_ID}`,
      networks: ['tapestry'],
      depends_on: {
        'key-store': { condition: 'service_completed_successfully' },
        nats: { condition: 'service_healthy' },
        postgres: { condition: 'service_healthy' },
      },
      command: [
        ...['node', 'tools/provision/provision.ts', 'servers'],
        ...['--nats', SURROUNDINGS.natsUrl, '--database', SURROUNDINGS.databaseHost],
      ],
      volumes: [secretsOf('provision')],
    },
    'key-store': {
      ...ONE_SHOT,
      user: `${USER_ID}:${USER_ID}`,
      network_mode: 'none',
      depends_on: { files: { condition: 'service_completed_successfully' } },
      command: ['node', 'tools/provision/key-store.ts', '--marker', '/setup/marker/key-store.json'],
      environment: { TAPESTRY_STATE_DIR: STATE_DIR },
      volumes: [`state-nbkms:${STATE_DIR}`, 'key-store-marker:/setup/marker'],
    },
  };
}

function servers(): Record<string, YamlMap> {
  const afterFiles = { depends_on: { files: { condition: 'service_completed_successfully' } } };
  const kept = { ...HARDENED, restart: 'unless-stopped', networks: ['tapestry'], ...afterFiles };
  return {
    nats: {
      image: `\${NATS_IMAGE:-${IMAGES.nats}}`,
      user: `${USER_ID}:${USER_ID}`,
      ...kept,
      command: ['nats-server', '--config', `${SECRETS_DIR}/nats.conf`],
      volumes: [secretsOf('nats'), 'nats:/data'],
      healthcheck: {
        test: [
          'CMD',
          'wget',
          '-q',
          '-O',
          '/dev/null',
          `http://127.0.0.1:${NATS_MONITOR_PORT}/healthz`,
        ],
        ...{ interval: '2s', timeout: '10s', retries: 30 },
      },
    },
    postgres: {
      image: `\${POSTGRES_IMAGE:-${IMAGES.postgres}}`,
      user: `${POSTGRES_USER_ID}:${POSTGRES_USER_ID}`,
      ...kept,
      command: [
        ...['postgres', '-c', 'max_connections=200', '-c', 'ssl=on'],
        ...['-c', `ssl_cert_file=${SECRETS_DIR}/postgres.pem`],
        ...['-c', `ssl_key_file=${SECRETS_DIR}/postgres.key`],
      ],
      environment: { POSTGRES_PASSWORD_FILE: `${SECRETS_DIR}/postgres-password` },
      volumes: [secretsOf('postgres'), 'postgres:/var/lib/postgresql'],
      tmpfs: ['/tmp', `/run/postgresql:uid=${POSTGRES_USER_ID},mode=700`],
      shm_size: '256m',
      stop_signal: 'SIGINT',
      stop_grace_period: '60s',
      healthcheck: {
        test: ['CMD', 'pg_isready', '-q', '-h', '127.0.0.1', '-U', 'postgres'],
        ...{ interval: '2s', timeout: '10s', retries: 60 },
      },
    },
  };
}

/** Beyond DAEMON_DEFAULTS. */
function daemonService(service: Service): YamlMap {
  const { daemon, name } = service;
  const isMedia = MEDIA_DAEMONS.includes(daemon);
  return {
    command: commandOf(daemon),
    environment: environmentOf(service, SURROUNDINGS),
    // One process space for a media server's daemons: a tape's fence asks whether its owner lives. Its first process
    // is nobody's daemon, so that each daemon can end and start alone.
    ...(isMedia ? { pid: `service:${MEDIA_HOST}` } : { init: true }),
    volumes: [
      secretsOf(name),
      ...(service.keepsState ? [`state-${name}:${STATE_DIR}`] : []),
      ...(service.usesLibrary ? [`library:${LIBRARY_DIR}`] : []),
    ],
    tmpfs: ['/tmp', ...(service.keepsState ? [] : [`${STATE_DIR}:uid=${USER_ID},mode=700`])],
    ...(daemon === 'console'
      ? { ports: [`127.0.0.1:\${CONSOLE_PORT:-8080}:${service.port}`] }
      : {}),
  };
}

/** Holds the process space of the media server; its init collects what nobody waits for. */
function mediaServerProcesses(): YamlMap {
  return {
    image: TAPESTRY_IMAGE,
    user: `${USER_ID}:${USER_ID}`,
    ...HARDENED,
    restart: 'unless-stopped',
    init: true,
    network_mode: 'none',
    command: ['sleep', 'infinity'],
  };
}

/** Where an administrator types: docker-compose exec commands bpbackup … */
function commandsService(): YamlMap {
  return {
    image: TAPESTRY_IMAGE,
    user: `${USER_ID}:${USER_ID}`,
    ...HARDENED,
    restart: 'unless-stopped',
    init: true,
    networks: ['tapestry'],
    depends_on: { provision: { condition: 'service_completed_successfully' } },
    command: ['sleep', 'infinity'],
    environment: {
      TAPESTRY_NATS_URL: SURROUNDINGS.natsUrl,
      TAPESTRY_NATS_PASSWORD_FILE: `${SECRETS_DIR}/bus-password`,
      TAPESTRY_NATS_CA_FILE: `${SECRETS_DIR}/ca.pem`,
      TAPESTRY_HOST: MEDIA_HOST,
    },
    volumes: [secretsOf('commands'), `library:${LIBRARY_DIR}`],
    tmpfs: ['/tmp'],
  };
}

/** A filer to try things on. It is root with the few rights that reading and restoring everybody's files take. */
function filerService(): YamlMap {
  return {
    image: TAPESTRY_IMAGE,
    user: '0:0',
    ...HARDENED,
    cap_add: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'MKNOD'],
    restart: 'unless-stopped',
    init: true,
    networks: ['tapestry'],
    depends_on: { files: { condition: 'service_completed_successfully' } },
    command: [
      ...['node', 'apps/ndmpd/src/main.ts'],
      ...['--listen', `0.0.0.0:${NDMP_PORT}`, '--user', 'backup'],
      ...['--password-file', `${SECRETS_DIR}/filer-password`],
      ...['--export', 'data=/srv/filer/data', '--export', 'restore=/srv/filer/restore'],
      ...['--dump-dates', '/srv/filer/dump-dates'],
    ],
    volumes: [secretsOf('filer'), 'filer:/srv/filer'],
    tmpfs: ['/tmp'],
    healthcheck: {
      test: ['CMD', 'node', 'deploy/images/listening.js', String(NDMP_PORT)],
      ...{ interval: '15s', timeout: '20s', retries: 4 },
    },
  };
}

function secretVolumes(): string[] {
  const names = [
    ...servicesOf([MEDIA_HOST]).map(({ name }) => name),
    ...['commands', 'provision', 'nats', 'postgres', 'filer'],
  ];
  return names.map((name) => `secrets-${name}`);
}

export function composeVolumes(): string[] {
  const state = servicesOf([MEDIA_HOST]).filter(({ keepsState }) => keepsState);
  return [
    ...['postgres', 'nats', 'library', 'filer', 'secret-store', 'key-store-marker'],
    ...state.map(({ name }) => `state-${name}`),
    ...secretVolumes(),
  ];
}

export const DAEMON_NAMES: ReadonlySet<string> = new Set(
  servicesOf([MEDIA_HOST]).map(({ name }) => name),
);
