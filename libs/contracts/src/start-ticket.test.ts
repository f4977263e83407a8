import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { codec } from './codec.ts';
import { signStart, verifyStart } from './start-ticket.ts';

const NOW_MS = 1_790_000_000_000;
const keys = generateKeyPairSync('ed25519');
const ticket = {
  runSpec: codec('RunSpec').encode({ restoreStep: 3 }),
  issuedMs: BigInt(NOW_MS),
  expiresMs: BigInt(NOW_MS + 60_000),
};

test('a signed start is accepted over the wire, until it expires', () => {
  const wire = codec('StartRequest');
  const request = wire.decode(wire.encode(signStart(keys.privateKey, ticket)));
  verifyStart(keys.publicKey, request, NOW_MS + 1_000);
  expect(() => verifyStart(keys.publicKey, request, NOW_MS + 200_000)).toThrow(/46 .*too old/);
  expect(() => verifyStart(keys.publicKey, request, NOW_MS - 200_000)).toThrow(/46 .*clocks/);
});

test('another key, another run or another time is refused', () => {
  const request = signStart(keys.privateKey, ticket);
  const stranger = generateKeyPairSync('ed25519');
  expect(() => verifyStart(stranger.publicKey, request, NOW_MS)).toThrow(/46 .*not signed/);
  const runSpec = codec('RunSpec').encode({ restoreStep: 4 });
  expect(() => verifyStart(keys.publicKey, { ...request, runSpec }, NOW_MS)).toThrow(/not signed/);
  const expiresMs = request.expiresMs + 1n;
  expect(() => verifyStart(keys.publicKey, { ...request, expiresMs }, NOW_MS)).toThrow(
    /not signed/,
  );
});
