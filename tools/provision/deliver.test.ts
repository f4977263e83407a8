import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { deliver } from './deliver.ts';
import { secretList } from './kubernetes-secrets.ts';
import { ensureSecretStore } from './secret-store.ts';

const NATS = { serverNames: ['nats'], monitorHost: '127.0.0.1', clusterHosts: [] };
const PLAN = { hosts: ['media1'], nats: NATS, databaseNames: ['postgres'] };
const ownerId = process.getuid?.() ?? 0;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tapestry-deliver-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('files are for their owner alone, and what is no longer delivered goes', () => {
  const out = join(dir, 'out');
  deliver(out, { nbrb: { files: { old: 'x', kept: 'y' }, ownerId } });
  deliver(out, { nbrb: { files: { kept: 'z' }, ownerId } });
  expect(readdirSync(join(out, 'nbrb'))).toEqual(['kept']);
  expect(readFileSync(join(out, 'nbrb/kept'), 'utf8')).toBe('z');
  expect(statSync(join(out, 'nbrb/kept')).mode & 0o777).toBe(0o400);
  expect(statSync(join(out, 'nbrb')).mode & 0o777).toBe(0o500);
});

test('a repeat delivers the same secrets; a media server more leaves the others as they are', async () => {
  const first = await ensureSecretStore(dir, PLAN, Date.now());
  expect(await ensureSecretStore(dir, PLAN, Date.now())).toEqual(first);
  const more = await ensureSecretStore(dir, { ...PLAN, hosts: ['media1', 'media2'] }, Date.now());
  expect(more['bptm-media1']).toEqual(first['bptm-media1']);
  expect(Object.keys(more)).toContain('bptm-media2');
  expect(more.nats?.files['nats.conf']).toContain('"bptm-media2"');
});

test('no service gets what another one proves itself with', async () => {
  const deliveries = await ensureSecretStore(dir, PLAN, Date.now());
  const passwords = Object.entries(deliveries).flatMap(([name, { files }]) =>
    Object.entries(files)
      .filter(([file]) => /password$|\.key$/.test(file))
      .map(([file, text]) => ({ name: `${name}/${file}`, text })),
  );
  expect(passwords.length).toBeGreaterThan(20);
  // The administrator's password is the database's and set-up's.
  const shared = passwords.filter(({ name, text }) =>
    passwords.some((other) => other.text === text && other.name !== name),
  );
  expect(shared.map(({ name }) => name).sort()).toEqual([
    'postgres/postgres-password',
    'provision/postgres-password',
  ]);
});

test('a database of another authority is trusted by its own certificate', async () => {
  const plan = { ...PLAN, databaseAuthority: 'their certificate' };
  const { nbjm } = await ensureSecretStore(dir, plan, Date.now());
  expect(nbjm?.files['database-ca.pem']).toBe('their certificate');
  expect(nbjm?.files['ca.pem']).toContain('BEGIN CERTIFICATE');
});

test('as Kubernetes objects they hold the same bytes', async () => {
  const deliveries = await ensureSecretStore(dir, PLAN, Date.now());
  const { items } = secretList(deliveries, 'site');
  expect(items).toHaveLength(Object.keys(deliveries).length);
  const nbjm = items.find(({ metadata }) => metadata.name === 'tapestry-nbjm');
  expect(nbjm?.metadata.namespace).toBe('site');
  const key = Buffer.from(nbjm?.data['ticket.key'] ?? '', 'base64').toString();
  expect(key).toBe(deliveries.nbjm?.files['ticket.key']);
});
