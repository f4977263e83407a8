// The certificates of an installation whose bus and database leave loopback: one authority of its own, and server
// certificates signed by it. Clients are told the authority's certificate and trust nothing else.

import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { writeSecretFile } from './secret-file.ts';

export interface KeyAndCertificate {
  /** PEM, PKCS#8. */
  readonly key: string;
  /** PEM. */
  readonly certificate: string;
}

export interface ServerCertificateRequest {
  /** Names and addresses under which clients reach the server. */
  readonly names: readonly string[];
  readonly nowMs: number;
}

const DAY_MS = 24 * 3_600_000;
const AUTHORITY_DAYS = 3_650;
const SERVER_DAYS = 825;
/** A server certificate with less life than this is made anew at the next set-up. */
const RENEW_DAYS = 90;
/** Clocks of other hosts may be a little behind. */
const EARLIER_MS = 3_600_000;

export async function makeAuthority(name: string, nowMs: number): Promise<KeyAndCertificate> {
  const made = await generate([{ name: 'commonName', value: name }], {
    ...settings(nowMs, AUTHORITY_DAYS),
    extensions: [
      { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  return { key: made.private, certificate: made.cert };
}

export async function makeServerCertificate(
  authority: KeyAndCertificate,
  request: ServerCertificateRequest,
): Promise<KeyAndCertificate> {
  const { names, nowMs } = request;
  const [commonName = 'tapestry'] = names;
  const made = await generate([{ name: 'commonName', value: commonName }], {
    ...settings(nowMs, SERVER_DAYS),
    ca: { key: authority.key, cert: authority.certificate },
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      // Servers of one cluster are each other's clients.
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
      {
        name: 'subjectAltName',
        altNames: names.map((name) =>
          isIP(name) === 0 ? { type: 2 as const, value: name } : { type: 7 as const, ip: name },
        ),
      },
    ],
  });
  return { key: made.private, certificate: made.cert };
}

function settings(nowMs: number, days: number) {
  return {
    keyType: 'ec' as const,
    curve: 'P-256' as const,
    algorithm: 'sha256',
    notBeforeDate: new Date(nowMs - EARLIER_MS),
    notAfterDate: new Date(nowMs + days * DAY_MS),
  };
}

export interface CertificateFiles {
  readonly caFile: string;
  /** Of the named server. */
  certFile(server: string): string;
  keyFile(server: string): string;
}

/**
 * Makes what is missing in the folder: `ca.pem`, `ca.key`, and `<server>.pem`, `<server>.key` for each server. What is
 * there stays, but for a server certificate that ends soon or lacks a name: clients trust the authority, not it.
 */
export async function ensureCertificates(
  folder: string,
  servers: Readonly<Record<string, readonly string[]>>,
  nowMs: number,
): Promise<CertificateFiles> {
  const files: CertificateFiles = {
    caFile: join(folder, 'ca.pem'),
    certFile: (server) => join(folder, `${server}.pem`),
    keyFile: (server) => join(folder, `${server}.key`),
  };
  const authority = await ensureAuthority(files.caFile, join(folder, 'ca.key'), nowMs);
  for (const [server, names] of Object.entries(servers)) {
    if (isGood(files.certFile(server), names, nowMs)) continue;
    const made = await makeServerCertificate(authority, { names, nowMs });
    writeSecretFile(files.keyFile(server), made.key);
    writeSecretFile(files.certFile(server), made.certificate);
  }
  return files;
}

async function ensureAuthority(
  certFile: string,
  keyFile: string,
  nowMs: number,
): Promise<KeyAndCertificate> {
  if (!existsSync(certFile)) {
    const made = await makeAuthority('Tapestry', nowMs);
    writeSecretFile(keyFile, made.key);
    writeSecretFile(certFile, made.certificate);
  }
  return { key: readFileSync(keyFile, 'utf8'), certificate: readFileSync(certFile, 'utf8') };
}

function isGood(certFile: string, names: readonly string[], nowMs: number): boolean {
  if (!existsSync(certFile)) return false;
  const certificate = new X509Certificate(readFileSync(certFile));
  if (certificate.validToDate.getTime() - nowMs < RENEW_DAYS * DAY_MS) return false;
  return names.every((name) =>
    isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name),
  );
}
