import { globSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { expect, test } from 'vitest';
import { describe, loadTree } from '../generate/describe.ts';
import { codec, type MessageName } from './codec.ts';

const protoDir = join(import.meta.dirname, '../proto');
const contracts = describe(
  loadTree(
    protoDir,
    globSync('tapestry/**/*.proto', { cwd: protoDir }).map((name) => join(protoDir, name)),
  ),
);

test('a 64-bit number above 2^53 survives in every field that can hold one', () => {
  const big = 2n ** 53n + 1n;
  let fields = 0;
  for (const message of contracts.messages) {
    for (const field of message.fields) {
      if (field.type !== 'bigint') continue;
      const value = field.shape === 'repeated' ? [big] : big;
      if (field.shape === 'map') continue;
      const type = codec(message.name as MessageName);
      const back = type.decode(type.encode({ [field.name]: value } as never)) as unknown;
      expect(
        (back as Record<string, unknown>)[field.name],
        `${message.name}.${field.name}`,
      ).toEqual(value);
      fields += 1;
    }
  }
  expect(fields).toBeGreaterThan(100);
});

test('absent fields are defaults and absent messages null', () => {
  const grant = codec('Grant').decode(new Uint8Array());
  expect(grant).toMatchObject({ grantId: '', epoch: 0n, attempt: null, counters: [] });
  expect(codec('DriveReport').decode(new Uint8Array()).holder).toBeNull();
});

test('nested messages, maps, bytes and enums come back as they were sent', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.uint8Array({ maxLength: 40 }),
      fc.dictionary(
        fc.string({ minLength: 1 }).filter((key) => key !== '__proto__'),
        fc.string(),
      ),
      (jobId, digest, context) => {
        const result = codec('RunEndedRequest');
        const back = result.decode(
          result.encode({
            grant: { attempt: { jobId, try: 1, step: 2 }, grantId: 'g', epoch: jobId },
            result: {
              status: { code: 84, name: 'mediaWriteError', detail: 'd', context },
              image: { fragments: [{ digest, number: 1 }] },
            },
          }),
        );
        expect(back.grant?.attempt).toEqual({ jobId, try: 1, step: 2 });
        expect(back.result?.status?.context).toEqual(context);
        expect(Buffer.from(back.result!.image!.fragments[0]!.digest)).toEqual(Buffer.from(digest));
      },
    ),
  );
});

test('bytes that are no message are refused with a status', () => {
  expect(() => codec('Grant').decode(Buffer.from([0xff, 0xff, 0xff]))).toThrow(/232 protocolError/);
});

test('a field added by a newer peer is passed over', () => {
  const root = protobuf.parse(
    'syntax="proto3"; message AttemptNext { uint64 job_id = 1; string brand_new = 99; }',
  ).root;
  const next = root.lookupType('AttemptNext');
  const bytes = next.encode(next.fromObject({ jobId: '7', brandNew: 'x' })).finish();
  expect(codec('Attempt').decode(bytes)).toEqual({ jobId: 7n, try: 0, step: 0 });
});
