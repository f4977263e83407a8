import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { parseConfig, readSecret } from './config.ts';

const schema = z
  .object({
    mountTimeoutMs: z.coerce.number().int().positive().default(1000),
    rule: z.string().optional(),
  })
  .strict();
const dir = mkdtempSync(join(tmpdir(), 'tapestry-config-'));
const file = join(dir, 'nbrb.json');

test('defaults give way to the file, and the file to the environment', () => {
  writeFileSync(
    file,
    JSON.stringify({ base: { host: 'Media One' }, daemon: { mountTimeoutMs: 5, rule: 'a' } }),
  );
  const parsed = parseConfig('nbrb', schema, {
    argv: ['--config', file],
    env: {
      NBRB_MOUNT_TIMEOUT_MS: '7',
      TAPESTRY_NATS_URL: 'nats://bus:4222',
      HOME: '/x',
      NBRB_RULE: '',
    },
  });
  expect(parsed.config).toEqual({ mountTimeoutMs: 7, rule: 'a' });
  expect(parsed.base).toMatchObject({ host: 'media-one', natsUrl: 'nats://bus:4222', httpPort: 0 });
  expect(Object.isFrozen(parsed.config)).toBe(true);
});

test.each([
  ['an unknown key', { NBRB_MOUNT_TIMEOUT: '7' }, /mountTimeout/],
  ['a value of the wrong kind', { NBRB_MOUNT_TIMEOUT_MS: 'soon' }, /mountTimeoutMs/],
  ['an unknown base key', { TAPESTRY_NATSURL: 'x' }, /natsurl/],
])('%s is an error that names it', (_what, env, text) => {
  expect(() => parseConfig('nbrb', schema, { argv: [], env })).toThrow(text);
});

test('an unknown part of the file, and a missing file, are errors', () => {
  writeFileSync(file, JSON.stringify({ demon: {} }));
  expect(() => parseConfig('nbrb', schema, { argv: ['--config', file], env: {} })).toThrow(/demon/);
  expect(() => parseConfig('nbrb', schema, { argv: ['--config', '/no/file'], env: {} })).toThrow(
    /12|20/,
  );
});

test('a secret comes from its file without the line end, and a missing one is named, not shown', () => {
  const secret = join(dir, 'secret');
  writeFileSync(secret, 's3cret word\n');
  expect(readSecret(secret)).toBe('s3cret word');
  expect(() => readSecret('/no/secret')).toThrow('/no/secret');
});
