// A bus with TLS: who has the authority's certificate gets in, who has not is refused, and nothing goes in clear.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { authorizationConfig, type BusLog, connectBus, provisionStreams } from '@tapestry/bus';
import { type NatsServer, startNats } from '@tapestry/servers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CertificateFiles, ensureCertificates, makeAuthority } from './certificates.ts';
import { tlsConfig } from './nats-tls.ts';
import { writeSecretFile } from './secret-file.ts';

const dir = mkdtempSync(join(tmpdir(), 'tapestry-tls-'));
const cli = { service: 'cli' };
const quiet: BusLog = { debug: () => {}, warn: () => {}, error: () => {} };
let nats: NatsServer;
let elsewhere: NatsServer;
let clear: NatsServer;
let caFile: string;

function start(name: string, tls: string): Promise<NatsServer> {
  const users = authorizationConfig([{ identity: cli, password: 'right' }], 'provision');
  return startNats({ folder: join(dir, name), config: users + tls, endWithUs: true });
}

beforeAll(async () => {
  const names = ['nats', 'localhost', '127.0.0.1'];
  const files = await ensureCertificates(
    join(dir, 'certs'),
    { nats: names, elsewhere: ['nats.elsewhere'] },
    Date.now(),
  );
  caFile = files.caFile;
  nats = await start('nats', tlsConfig(tlsFiles(files, 'nats')));
  elsewhere = await start('elsewhere', tlsConfig(tlsFiles(files, 'elsewhere')));
  clear = await start('clear', '');
});
afterAll(async () => {
  await Promise.all([nats, elsewhere, clear].map((server) => server?.stop()));
  rmSync(dir, { recursive: true, force: true });
});

const tlsFiles = (files: CertificateFiles, server: string) => ({
  certFile: files.certFile(server),
  keyFile: files.keyFile(server),
});

const open = (options: { caFile?: string; password?: string; url?: string }) =>
  connectBus({
    identity: cli,
    url: nats.url,
    password: 'right',
    log: quiet,
    waitForBus: false,
    ...options,
  });

test('a client that trusts the authority talks over TLS, and streams can be made', async () => {
  await provisionStreams({
    url: nats.url,
    password: 'provision',
    ca: readFileSync(caFile, 'utf8'),
  });
  const bus = await open({ caFile });
  expect(bus.connected()).toBe(true);
  await bus.close();
});

test('a client without the authority, or with another one, is refused', async () => {
  await expect(open({})).rejects.toMatchObject({ status: 'cannotConnect' });
  const other = await makeAuthority('Somebody else', Date.now());
  const otherFile = join(dir, 'other.pem');
  writeSecretFile(otherFile, other.certificate);
  await expect(open({ caFile: otherFile })).rejects.toMatchObject({ status: 'cannotConnect' });
});

test('a certificate for another name is not accepted', async () => {
  await expect(open({ caFile, url: elsewhere.url })).rejects.toMatchObject({
    status: 'cannotConnect',
  });
});

test('a client that was told of an authority does not log in to a server without TLS', async () => {
  await expect(open({ caFile, url: clear.url })).rejects.toMatchObject({ status: 'cannotConnect' });
  await (await open({ url: clear.url })).close();
});

test('a wrong password stays a wrong password', async () => {
  await expect(open({ caFile, password: 'wrong' })).rejects.toMatchObject({
    status: 'authenticationFailed',
  });
});

test('the server hangs up on a login in clear', async () => {
  const answer = await new Promise<string>((resolve, reject) => {
    let text = '';
    const socket = connect({ host: '127.0.0.1', port: nats.port, timeout: 10_000 });
    socket.on('data', (data) => {
      text += data.toString('latin1');
      if (text.startsWith('INFO') && text.includes('\r\n')) {
        socket.write('CONNECT {"user":"cli","pass":"right","verbose":true}\r\nPING\r\n');
      }
    });
    socket.once('close', () => resolve(text));
    socket.once('timeout', () => reject(new Error('the server did not hang up')));
    socket.once('error', () => resolve(text));
  });
  expect(answer).toContain('"tls_required":true');
  expect(answer).not.toContain('+OK');
  expect(answer).not.toContain('PONG');
});
