import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { inTransaction, openHostStore } from './host-store.ts';

const file = (): string => join(mkdtempSync(join(tmpdir(), 'tapestry-host-')), 'deep', 'x.sqlite');

test('a store is made, brought to the newest version, and kept', () => {
  const path = file();
  const first = openHostStore(path, ['CREATE TABLE a (n INTEGER)']);
  first.exec('INSERT INTO a VALUES (1)');
  first.close();
  const second = openHostStore(path, [
    'CREATE TABLE a (n INTEGER)',
    'ALTER TABLE a ADD COLUMN m TEXT',
  ]);
  expect(second.prepare('SELECT * FROM a').all()).toEqual([{ n: 1, m: null }]);
  expect(second.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 });
  second.close();
  expect(() => openHostStore(path, [])).toThrow(/newer release/);
});

test('a change that fails leaves nothing', () => {
  const db = openHostStore(file(), ['CREATE TABLE a (n INTEGER)']);
  expect(() =>
    inTransaction(db, () => {
      db.exec('INSERT INTO a VALUES (1)');
      throw new Error('no');
    }),
  ).toThrow('no');
  expect(db.prepare('SELECT count(*) AS n FROM a').get()).toEqual({ n: 0 });
});

test('a migration that fails is tried again whole', () => {
  const path = file();
  expect(() =>
    openHostStore(path, ['CREATE TABLE a (n INTEGER); INSERT INTO none VALUES (1)']),
  ).toThrow();
  const db = openHostStore(path, ['CREATE TABLE a (n INTEGER)']);
  expect(db.prepare('SELECT * FROM a').all()).toEqual([]);
});
