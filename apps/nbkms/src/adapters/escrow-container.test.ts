import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { openEscrow, sealEscrow } from './escrow-container.ts';

const QUICK = { profile: 0, allowed: [0] };
const PASSPHRASE = 'correct horse battery staple';
const head = { storeId: Buffer.alloc(16, 3), madeMs: 1_700_000_000_000, groups: 2, keys: 3 };
const CHUNK = 64 * 1024;
const HEADER = 168;

const seal = (content: Buffer) => sealEscrow(head, content, PASSPHRASE, QUICK);
const open = (file: Buffer, passphrase = PASSPHRASE) => openEscrow(file, passphrase, QUICK);

function withSum(before: Buffer): Buffer {
  return Buffer.concat([before, createHash('sha256').update(before).digest()]);
}

test.each([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])('%i bytes come back', async (size) => {
  const content = Buffer.alloc(size, 'secret');
  const file = await seal(content);
  if (size > 10) expect(file.includes('secretsecret')).toBe(false);
  expect(await open(file)).toEqual({ head, content });
});

test('a wrong passphrase, a changed bit anywhere, a part cut or exchanged: nothing is taken', async () => {
  const file = await seal(Buffer.alloc(3 * CHUNK - 100, 'x'));
  await expect(open(file, `${PASSPHRASE}!`)).rejects.toThrow(/1281/);
  const body = file.subarray(0, -32);
  for (let at = 8; at < body.length; at = at < HEADER ? at + 1 : at + 7_919) {
    const forged = Buffer.from(body);
    forged[at] = forged[at]! ^ 1;
    await expect(open(withSum(forged))).rejects.toThrow(at < 10 ? /1280/ : /128[01]|1244/);
    if (at > 10)
      await expect(open(Buffer.concat([forged, file.subarray(-32)]))).rejects.toThrow(/1281/);
  }
  const step = CHUNK + 16;
  const chunk = (number: number) =>
    body.subarray(HEADER + number * step, HEADER + (number + 1) * step);
  const header = body.subarray(0, HEADER);
  for (const chunks of [
    [chunk(0), chunk(1)],
    [chunk(1), chunk(0), chunk(2)],
    [chunk(0), chunk(0), chunk(2)],
    [],
  ]) {
    await expect(open(withSum(Buffer.concat([header, ...chunks])))).rejects.toThrow(/1281/);
  }
  await expect(open(Buffer.from('something else'))).rejects.toThrow(/1280/);
  await expect(open(file.subarray(0, 100))).rejects.toThrow(/1280/);
});
