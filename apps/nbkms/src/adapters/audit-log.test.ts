import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { verifyChain } from './audit-chain.ts';
import { openAuditLog } from './audit-log.ts';
import { hostFiles } from './file-port.ts';
import { stoppingFiles } from './stopping-files.test-data.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tapestry-audit-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const path = () => join(dir, 'KMS_AUDIT.log');
const event = (object: string) => ({
  ...{ timeMs: 1, actor: 'root', action: 'CreateKey', object, outcome: 'ok' },
  ...{ generation: '2', reason: '' },
});

async function write(objects: readonly string[]): Promise<void> {
  const log = await openAuditLog(hostFiles, path());
  await Promise.all(objects.map((object) => log.note(event(object))));
  await log.close();
}

test('lines of several lives make one chain, in the order in which they were told', async () => {
  await write(['a', 'b', 'c']);
  await write(['d']);
  const text = readFileSync(path(), 'utf8');
  expect(verifyChain(text)).toMatchObject({
    kind: 'whole',
    head: { seq: 4 },
    last: { object: 'd' },
  });
  expect(text.match(/"object":"."/g)?.map((each) => each.at(-2))).toEqual(['a', 'b', 'c', 'd']);
});

test('a line that was changed, taken out, put in or exchanged shows, and stops the start', async () => {
  await write(['a', 'b', 'c', 'd']);
  const lines = readFileSync(path(), 'utf8').trimEnd().split('\n');
  const [a, b, c, d] = lines as [string, string, string, string];
  const forgeries: readonly (readonly [readonly string[], number])[] = [
    [[a, b.replace('"object":"b"', '"object":"x"'), c, d], 2],
    [[a, c, d], 2],
    [[a, b, b, c, d], 3],
    [[b, a, c, d], 1],
    [[a, 'null', c, d], 2],
  ];
  for (const [forged, line] of forgeries) {
    writeFileSync(path(), `${forged.join('\n')}\n`);
    expect(verifyChain(readFileSync(path(), 'utf8'))).toMatchObject({ kind: 'broken', line });
    await expect(openAuditLog(hostFiles, path())).rejects.toThrow(/1253/);
  }
});

test('a line that a crash cut was never answered: it goes', async () => {
  await write(['a']);
  const whole = readFileSync(path(), 'utf8');
  appendFileSync(path(), whole.slice(0, 40));
  await write(['b']);
  expect(verifyChain(readFileSync(path(), 'utf8'))).toMatchObject({
    kind: 'whole',
    head: { seq: 2 },
  });
});

test('a trail that cannot be written takes no more', async () => {
  const { files } = stoppingFiles({ kind: 'fail', at: 3, code: 'EIO' });
  const log = await openAuditLog(files, path());
  await expect(log.note(event('a'))).rejects.toThrow(/1274/);
  await expect(log.note(event('b'))).rejects.toThrow(/1274/);
  await log.close();
});
