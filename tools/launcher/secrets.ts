// Makes, once for a state folder, every password and key that the daemons need. They live in files of mode 0400
// and nowhere else: no argument list, no environment, no log.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { authorizationConfig, PROVISION_USER } from '@tapestry/bus';
import { callerToken, type Identity } from '@tapestry/contracts';

export interface Secrets {
  busPasswordFile(identity: Identity): string;
  readonly provisionPassword: string;
  /** nats-server's users and rights. */
  readonly busConfig: string;
  readonly ticketKeyFile: string;
  readonly ticketPublicKeyFile: string;
  readonly sealKeyFile: string;
  /** A line `admin:<password>`. */
  readonly consolePasswordFile: string;
}

export function ensureSecrets(secretsDir: string, identities: readonly Identity[]): Secrets {
  const password = (path: string): string => ensureFile(path, () => `${randomWord()}\n`).trim();
  const busFile = (identity: Identity): string => join(secretsDir, 'bus', callerToken(identity));
  const users = identities.map((identity) => ({ identity, password: password(busFile(identity)) }));
  const provisionPassword = password(busFile(PROVISION_USER));
  const ticketKeyFile = join(secretsDir, 'ticket.key');
  const ticketPublicKeyFile = join(secretsDir, 'ticket.pub');
  ensureTicketKeys(ticketKeyFile, ticketPublicKeyFile);
  const sealKeyFile = join(secretsDir, 'nbemm-seal.key');
  ensureFile(sealKeyFile, () => `${randomBytes(32).toString('base64')}\n`);
  const consolePasswordFile = join(secretsDir, 'console.passwd');
  ensureFile(consolePasswordFile, () => `admin:${randomWord()}\n`);
  return {
    busPasswordFile: busFile,
    provisionPassword,
    busConfig: authorizationConfig(users, provisionPassword),
    ...{ ticketKeyFile, ticketPublicKeyFile, sealKeyFile, consolePasswordFile },
  };
}

function randomWord(): string {
  return randomBytes(18).toString('base64url');
}

function ensureTicketKeys(keyFile: string, publicFile: string): void {
  if (existsSync(keyFile) && existsSync(publicFile)) return;
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  writeSecret(publicFile, publicKey.export({ type: 'spki', format: 'pem' }).toString());
  writeSecret(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
}

function ensureFile(path: string, make: () => string): string {
  if (!existsSync(path)) writeSecret(path, make());
  return readFileSync(path, 'utf8');
}

function writeSecret(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.new`, text, { mode: 0o400 });
  renameSync(`${path}.new`, path);
}
