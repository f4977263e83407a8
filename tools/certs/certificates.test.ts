import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensureCertificates } from './certificates.ts';

const DAY_MS = 24 * 3_600_000;
const START_MS = Date.UTC(2030, 0, 1);
const SERVERS = { nats: ['nats', 'localhost', '127.0.0.1', '::1'] };
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tapestry-certs-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const certificate = (file: string) => new X509Certificate(readFileSync(file));

test('a server certificate is signed by the authority and names the server', async () => {
  const files = await ensureCertificates(dir, SERVERS, START_MS);
  const ca = certificate(files.caFile);
  const server = certificate(files.certFile('nats'));
  expect(ca.ca).toBe(true);
  expect(server.ca).toBe(false);
  expect(server.checkIssued(ca)).toBe(true);
  expect(server.verify(ca.publicKey)).toBe(true);
  expect(server.checkHost('nats')).toBe('nats');
  expect(server.checkIP('::1')).toBe('::1');
  expect(server.checkHost('evil')).toBeUndefined();
});

test('keys are for their owner alone', async () => {
  const files = await ensureCertificates(dir, SERVERS, START_MS);
  expect(statSync(files.keyFile('nats')).mode & 0o777).toBe(0o400);
  expect(statSync(join(dir, 'ca.key')).mode & 0o777).toBe(0o400);
});

test('a repeat changes nothing; the end of life and a new name do, under the same authority', async () => {
  const files = await ensureCertificates(dir, SERVERS, START_MS);
  const first = readFileSync(files.certFile('nats'), 'utf8');
  const authority = readFileSync(files.caFile, 'utf8');
  await ensureCertificates(dir, SERVERS, START_MS + 30 * DAY_MS);
  expect(readFileSync(files.certFile('nats'), 'utf8')).toBe(first);
  await ensureCertificates(dir, SERVERS, START_MS + 800 * DAY_MS);
  const second = readFileSync(files.certFile('nats'), 'utf8');
  expect(second).not.toBe(first);
  await ensureCertificates(dir, { nats: [...SERVERS.nats, 'bus.site'] }, START_MS + 800 * DAY_MS);
  expect(certificate(files.certFile('nats')).checkHost('bus.site')).toBe('bus.site');
  expect(readFileSync(files.caFile, 'utf8')).toBe(authority);
});
