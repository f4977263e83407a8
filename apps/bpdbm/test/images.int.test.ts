import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '@tapestry/testkit';
import { expect, test } from 'vitest';
import { pageOf } from '../src/adapters/image-query.ts';
import type { Image } from '../src/adapters/image-rows.ts';
import {
  backUp,
  deliver,
  fragment,
  makeList,
  newAttempt,
  open,
  put,
  resultOf,
  withBpdbm,
} from './fixture.ts';

const world = withBpdbm();

async function idsOf(client: string, provisionalToo = false): Promise<string[]> {
  const { images } = await world.cli.ListImages({ client, provisionalToo });
  return images.map((image) => image.backupId);
}

function storedFiles(client: string): string[] {
  try {
    return readdirSync(join(world.stateDir, 'bpdbm', 'file-lists', client));
  } catch {
    return [];
  }
}

test('an image is provisional until it is validated, and told once it is valid', async () => {
  const attempt = newAttempt();
  const backup = { client: 'life', path: '/vol/a', retentionLevel: 0 };
  const image = await open(world, attempt, backup);
  expect(image.backupId).toBe(`life_${image.backupTimeS}`);
  expect(image).toMatchObject({ level: 0, baseBackupId: '', baseEnv: [] });
  expect(image.expirationS - image.backupTimeS).toBe(7n * 86_400n);
  expect(await open(world, attempt, backup)).toEqual(image);
  expect(await idsOf('life')).toEqual([]);
  expect(await idsOf('life', true)).toEqual([image.backupId]);

  const list = await makeList('/vol/a', ['x', 'd/', 'd/y']);
  const result = resultOf(image, list);
  const validate = () => world.asNbjm.ValidateImage({ attempt, result });
  await expect(validate()).rejects.toThrow(/229.*not delivered/);
  await deliver(world, attempt, image.backupId, list);
  const gap = { ...result, fragments: [fragment({ streamEndBytes: 4_999n })] };
  await expect(world.asNbjm.ValidateImage({ attempt, result: gap })).rejects.toThrow(/229/);
  const other = { ...attempt, try: 2 };
  await expect(world.asNbjm.ValidateImage({ attempt: other, result })).rejects.toThrow(/902/);
  expect(await idsOf('life')).toEqual([]);

  const told: unknown[] = [];
  const nbpem = await world.bus.as({ service: 'nbpem' });
  await nbpem.consume('ImageValidated', async (message) => void told.push(message));
  await validate();
  await validate();
  await world.asNbjm.AbandonImage({ attempt, backupId: image.backupId });
  const { images } = await world.cli.ListImages({ client: 'life', mediaId: 'A00001' });
  expect(images).toMatchObject([
    {
      ...{ backupId: image.backupId, state: 'valid', bytes: 5_000n, elapsedS: 9n, butype: 'dump' },
      fragments: [{ mediaId: 'A00001' }],
      expirationS: image.expirationS,
      attempt,
    },
  ]);
  await eventually('the event', () => told.length > 0);
  expect(told).toMatchObject([{ backupId: image.backupId, client: 'life', path: '/vol/a' }]);
});

test('two paths of a client that open in the same second get two backup ids', async () => {
  const paths = ['/a', '/b', '/c', '/d', '/e', '/f'];
  const images = await Promise.all(
    paths.map((path) => open(world, newAttempt(), { client: 'twins', path })),
  );
  expect(new Set(images.map((image) => image.backupId)).size).toBe(paths.length);
});

test('an abandoned image is gone with its file list, and an open that comes late finds nothing', async () => {
  const attempt = newAttempt();
  const image = await open(world, attempt, { client: 'gone', path: '/a' });
  const list = await makeList('/a', ['x']);
  await deliver(world, attempt, image.backupId, list);
  expect(storedFiles('gone')).toHaveLength(1);
  await world.asNbjm.AbandonImage({ attempt, backupId: '' });
  await world.asNbjm.AbandonImage({ attempt, backupId: image.backupId });
  expect(await idsOf('gone', true)).toEqual([]);
  expect(storedFiles('gone')).toEqual([]);
  await expect(open(world, attempt, { client: 'gone', path: '/a' })).rejects.toThrow(/902/);
  const late = world.asNbjm.ValidateImage({ attempt, result: resultOf(image, list) });
  await expect(late).rejects.toThrow(/227/);
  const early = newAttempt();
  await world.asNbjm.AbandonImage({ attempt: early, backupId: '' });
  await expect(open(world, early, { client: 'gone', path: '/a' })).rejects.toThrow(/902/);
});

test('a file list is taken only whole, as announced, with its ticket; a repeat is harmless', async () => {
  const attempt = newAttempt();
  const { backupId } = await open(world, attempt, { client: 'upload', path: '/a' });
  const list = await makeList('/a', ['x', 'y']);
  const { asAgent } = world;
  const other = { ...attempt, jobId: 1n };
  const wrong = asAgent.IssueFileListTicket({ attempt: other, backupId, fileList: list.ref });
  await expect(wrong).rejects.toThrow(/902/);
  const issued = await asAgent.IssueFileListTicket({ attempt, backupId, fileList: list.ref });
  expect(issued.delivered).toBe(false);
  const changed = Buffer.from(list.bytes);
  changed[100] = (changed[100] ?? 0) ^ 1;
  expect(await put(issued.url, 'x'.repeat(43), list.bytes)).toBe(401);
  expect(await put(`${issued.url}x`, issued.ticket, list.bytes)).toBe(401);
  expect(await put(issued.url, issued.ticket, changed)).toBe(422);
  expect(await put(issued.url, issued.ticket, list.bytes.subarray(1))).toBe(422);
  expect(storedFiles('upload')).toEqual([]);
  expect(await put(issued.url, issued.ticket, list.bytes)).toBe(204);
  expect(await put(issued.url, issued.ticket, list.bytes)).toBe(204);
  expect(storedFiles('upload')).toHaveLength(1);
  const again = await asAgent.IssueFileListTicket({ attempt, backupId, fileList: list.ref });
  expect(again.delivered).toBe(true);
  expect(readdirSync(join(world.stateDir, 'bpdbm', 'file-lists', 'incoming'))).toEqual([]);
});

test('incrementals: level and base follow the chain, with the environment of the base', async () => {
  const at = { client: 'chain', path: '/vol' };
  const full = await backUp(world, at, ['a']);
  const first = await backUp(world, { ...at, type: 'INCR' }, ['b']);
  expect(first).toMatchObject({ level: 1, baseBackupId: full.backupId, butype: 'dump' });
  expect(first.baseEnv).toEqual([{ name: 'DUMP_DATE', value: `date-of-${full.backupId}` }]);
  const second = await backUp(world, { ...at, type: 'INCR' }, ['c']);
  expect(second).toMatchObject({ level: 2, baseBackupId: first.backupId });
  const cumulative = await backUp(world, { ...at, type: 'CINC' }, ['d']);
  expect(cumulative).toMatchObject({ level: 1, baseBackupId: full.backupId });
  const third = await backUp(world, { ...at, type: 'INCR' }, ['e']);
  expect(third).toMatchObject({ level: 2, baseBackupId: cumulative.backupId });
  // Another policy moved the dump dates: the first one starts anew.
  await backUp(world, { ...at, policy: 'q' }, ['f']);
  expect(await backUp(world, { ...at, type: 'INCR' }, ['g'])).toMatchObject({ level: 0 });
});

test('a full backup that died after its halt makes the next incremental a full one', async () => {
  const at = { client: 'killed', path: '/vol' };
  const full = await backUp(world, at, ['a']);
  await backUp(world, { ...at, type: 'INCR' }, ['b']);
  // The filer has recorded the new full dump, its image was never validated.
  const dead = newAttempt();
  const lost = await open(world, dead, at);
  await world.asAgent.MarkUnsure({ attempt: dead, backupId: lost.backupId });
  await world.asNbjm.AbandonImage({ attempt: dead, backupId: lost.backupId });
  const next = newAttempt();
  const image = await open(world, next, { ...at, type: 'INCR' });
  expect(image).toMatchObject({ level: 0, baseBackupId: '' });
  await world.asAgent.MarkUnsure({ attempt: next, backupId: image.backupId });
  const list = await makeList('/vol', ['c']);
  await deliver(world, next, image.backupId, list);
  await world.asNbjm.ValidateImage({ attempt: next, result: resultOf(image, list) });
  // The mark is cleared, and the chain goes on from the new full one.
  const after = await backUp(world, { ...at, type: 'INCR' }, ['d']);
  expect(after).toMatchObject({ level: 1, baseBackupId: image.backupId });
  expect(full.backupId).not.toBe(image.backupId);
});

test('an incremental that died makes the next one run at its level, not above', async () => {
  const at = { client: 'killed2', path: '/vol' };
  const full = await backUp(world, at, ['a']);
  const dead = newAttempt();
  const lost = await open(world, dead, { ...at, type: 'INCR' });
  expect(lost.level).toBe(1);
  await world.asAgent.MarkUnsure({ attempt: dead, backupId: lost.backupId });
  await world.asNbjm.AbandonImage({ attempt: dead, backupId: lost.backupId });
  const next = await backUp(world, { ...at, type: 'INCR' }, ['b']);
  expect(next).toMatchObject({ level: 1, baseBackupId: full.backupId });
});

test('a restart keeps what lives, and drops only what nbjm calls over', async () => {
  const [living, dead] = [newAttempt(), newAttempt()];
  const kept = await open(world, living, { client: 'restart', path: '/a' });
  await open(world, dead, { client: 'restart', path: '/b' });
  await world.stop();
  world.over.add(dead.jobId);
  await world.start();
  await eventually('the dead one is gone', async () => {
    return (await idsOf('restart', true)).join() === kept.backupId;
  });
  expect(await open(world, living, { client: 'restart', path: '/a' })).toEqual(kept);
});

test('a page ends with a whole second, and with what one message can carry', () => {
  const image = (id: string, timeS: bigint, sizeBytes = 0) =>
    ({ backup_id: id, backup_time_s: timeS, result: Buffer.alloc(sizeBytes) }) as Image;
  const ids = (...args: Parameters<typeof pageOf>) => {
    const { images, more } = pageOf(...args);
    return [images.map((each) => each.backup_id).join(''), more];
  };
  const found = [image('a', 9n), image('b', 8n), image('c', 7n), image('d', 7n)];
  expect(ids(found, 4)).toEqual(['abcd', false]);
  expect(ids(found, 3)).toEqual(['ab', true]);
  expect(ids(found, 2)).toEqual(['ab', true]);
  expect(ids(found.slice(2), 1)).toEqual(['c', true]);
  const large = [image('a', 9n, 3_000_000), image('b', 8n, 3_000_000), image('c', 7n)];
  expect(ids(large, 10)).toEqual(['a', true]);
});

test('lists are newest first, in pages, by client, policy and time', async () => {
  const at = { client: 'pages', policy: 'pages' };
  const images = [
    await backUp(world, { ...at, path: '/a' }, ['x']),
    await backUp(world, { ...at, path: '/b' }, ['x']),
    await backUp(world, { ...at, path: '/c' }, ['x']),
  ];
  const ids = images.map((image) => image.backupId).reverse();
  expect(await idsOf('pages')).toEqual(ids);
  const page = await world.cli.ListImages({ policy: 'pages', limit: 2 });
  expect([page.images.length, page.more]).toEqual([2, true]);
  const endS = page.images[1]!.backupTimeS - 1n;
  const rest = await world.cli.ListImages({ policy: 'pages', endS });
  expect(rest.images.map((image) => image.backupId)).toEqual([images[0]!.backupId]);
  const { images: one } = await world.cli.ListImages({ client: 'pages', path: '/b' });
  expect(one).toHaveLength(1);
});
