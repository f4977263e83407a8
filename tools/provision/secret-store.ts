// All secrets of an installation in one folder, made once, and which of them each container gets: only what it needs.

import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROVISION_USER } from '@tapestry/bus';
import type { Identity } from '@tapestry/contracts';
import { ensureCertificates } from '../certs/certificates.ts';
import { writeSecretFile } from '../certs/secret-file.ts';
import { ensureSecrets } from '../launcher/secrets.ts';
import { type NatsLayout, natsConfig } from './nats-config.ts';
import {
  POSTGRES_USER_ID,
  PRIMARY_DAEMONS,
  type Service,
  servicesOf,
  USER_ID,
} from './services.ts';

export const COMMANDS_IDENTITY: Identity = { service: 'cli' };
export const DATABASE_ADMIN = 'postgres';

/** Files for one container: name → content. */
export interface Delivery {
  readonly files: Readonly<Record<string, string>>;
  /** Whom the files belong to where they lie on a volume. */
  readonly ownerId: number;
}

export interface StorePlan {
  /** Host ids of the media servers. */
  readonly hosts: readonly string[];
  readonly nats: NatsLayout;
  /** Host names of the database under which daemons reach it, when its certificate is ours to make. */
  readonly databaseNames: readonly string[];
  /** Certificate of the database's authority, PEM, when it is not ours. */
  readonly databaseAuthority?: string;
}

/**
 * Makes what is missing below `folder` and says who gets what. A repeat changes nothing; a media server more adds its
 * own secrets, and the bus's configuration with them.
 */
export async function ensureSecretStore(
  folder: string,
  plan: StorePlan,
  nowMs: number,
): Promise<Record<string, Delivery>> {
  const services = servicesOf(plan.hosts);
  const identities = [...services.map(({ identity }) => identity), COMMANDS_IDENTITY];
  const secrets = ensureSecrets(folder, identities);
  const certificates = await ensureCertificates(
    join(folder, 'certificates'),
    { nats: plan.nats.serverNames, postgres: plan.databaseNames },
    nowMs,
  );
  const read = (path: string): string => readFileSync(path, 'utf8');
  const ca = read(certificates.caFile);
  const databaseCa = plan.databaseAuthority ?? ca;
  const databasePassword = (role: string): string => ensureWord(join(folder, 'postgres', role));
  const own: Record<string, string> = {
    'ticket.key': secrets.ticketKeyFile,
    'ticket.pub': secrets.ticketPublicKeyFile,
    'nbemm-seal.key': secrets.sealKeyFile,
    'console.passwd': secrets.consolePasswordFile,
  };
  const contentOf = (service: Service, name: string): string => {
    if (name === 'ca.pem') return ca;
    if (name === 'database-ca.pem') return databaseCa;
    if (name === 'bus-password') return read(secrets.busPasswordFile(service.identity));
    if (name === 'database-password') return databasePassword(service.daemon);
    return read(own[name] as string);
  };
  const ours = (files: Record<string, string>): Delivery => ({ files, ownerId: USER_ID });
  const deliveries = services.map(
    (service) =>
      [
        service.name,
        ours(
          Object.fromEntries(service.secretFiles.map((name) => [name, contentOf(service, name)])),
        ),
      ] as const,
  );
  const serverFiles = (name: string): Record<string, string> => ({
    [`${name}.pem`]: read(certificates.certFile(name)),
    [`${name}.key`]: read(certificates.keyFile(name)),
  });
  const adminPassword = { 'postgres-password': databasePassword(DATABASE_ADMIN) };
  return {
    ...Object.fromEntries(deliveries),
    commands: ours({
      'ca.pem': ca,
      'bus-password': read(secrets.busPasswordFile(COMMANDS_IDENTITY)),
    }),
    provision: ours({
      ...{ 'ca.pem': ca, 'database-ca.pem': databaseCa },
      'bus-password': read(secrets.busPasswordFile(PROVISION_USER)),
      ...adminPassword,
      ...Object.fromEntries(
        databaseRoles().map((role) => [`database-password-${role}`, databasePassword(role)]),
      ),
    }),
    nats: ours({
      ...serverFiles('nats'),
      'ca.pem': ca,
      'nats.conf': natsConfig(plan.nats, secrets.busConfig, ensureWord(join(folder, 'routes'))),
    }),
    postgres: {
      files: { ...serverFiles('postgres'), ...adminPassword },
      ownerId: POSTGRES_USER_ID,
    },
    filer: { files: { 'filer-password': ensureWord(join(folder, 'filer')) }, ownerId: 0 },
  };
}

/** Daemons with a role and a schema of their name. */
export function databaseRoles(): string[] {
  return servicesOf([])
    .filter(({ usesDatabase, daemon }) => usesDatabase && PRIMARY_DAEMONS.includes(daemon))
    .map(({ daemon }) => daemon);
}

function ensureWord(path: string): string {
  if (!existsSync(path)) writeSecretFile(path, `${randomBytes(18).toString('base64url')}\n`);
  return readFileSync(path, 'utf8');
}
