// A bus with TLS: who has the authority's certificate gets in, who has not is refused, and nothing goes in clear.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { authorizationConfig, type BusLog, connectBus, provisionStreams } from '@tapestry/bus';
import { type NatsServer, startNats } from '@tapestry/servers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureCertificates, makeAuthority } from './certificates.ts';
import { tlsConfig } from './nats-tls.ts';
import { writeSecretFile } from './secret-file.ts';

const dir = mkdtempSync(join(tmpdir(), 'tapestry-tls-'));
const cli = { service: 'cli' };
const quiet: BusLog = { debug: () => {}, warn: () => {}, error: () => {} };
let nats: NatsServer;
let caFile: string;

beforeAll(async () => {
  const files = await ensureCertificates(
    join(dir, 'certs'),
    { nats: ['nats', 'localhost', '127.0.0.1'] },
    Date.now(),
  );
  caFile = files.caFile;
  nats = await startNats({
    folder: join(dir, 'nats'),
    config: [
      authorizationConfig([{ identity: cli, password: 'right' }], 'provision'),
      tlsConfig({ certFile: files.certFile('nats'), keyFile: files.keyFile('nats') }),
    ].join('\n'),
    endWithUs: true,
  });
});
afterAll(async () => {
  await nats?.stop();
  rmSync(dir, { recursive: true, force: true });
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
  await expect(
    open({ caFile, url: nats.url.replace('127.0.0.1', '127.0.0.2') }),
  ).rejects.toMatchObject({ status: 'cannotConnect' });
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
