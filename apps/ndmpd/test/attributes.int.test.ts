// What the attribute helper is for: extended attributes and ACLs through backup and recovery, and what
// happens on a host without Perl.

import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AttributeHelper, type Xattr } from '../src/adapters/attribute-helper.ts';
import { closeDirectory, openRoot } from '../src/adapters/directory.ts';
import { backUp, makeWorkspace, nameEntry, recover, startServer } from './harness.ts';

const workspace = makeWorkspace();
const source = workspace.file('source');
const target = workspace.file('target');
let server: { address: string; close(): Promise<void> };
let helper: AttributeHelper;

const note: Xattr = { name: Buffer.from('user.note'), value: Buffer.from([0, 1, 61, 10, 255]) };
/** A POSIX ACL as the kernel keeps it: version 2, then tag, permissions, id. */
const acl: Xattr = {
  name: Buffer.from('system.posix_acl_access'),
  value: Buffer.from(
    '02000000' +
      ['0100 0600 ffffffff', '0200 0400 d2040000', '0400 0400 ffffffff']
        .concat(['1000 0400 ffffffff', '2000 0000 ffffffff'])
        .join('')
        .replaceAll(' ', ''),
    'hex',
  ),
};

beforeAll(async () => {
  mkdirSync(`${source}/dir`, { recursive: true });
  mkdirSync(target);
  writeFileSync(`${source}/dir/file`, 'x');
  symlinkSync('file', `${source}/dir/link`);
  helper = new AttributeHelper();
  server = await startServer(workspace, { home: source, spare: target });
});

afterAll(async () => {
  helper.close();
  await server.close();
  workspace.remove();
});

const byName = (xattrs: Xattr[]): [string, string][] =>
  xattrs.map(({ name, value }): [string, string] => [`${name}`, value.toString('hex')]).sort();

test('attributes and ACLs come back, by ndmpd and by GNU tar', async ({ skip }) => {
  expect(await helper.ready()).toBe(true);
  const directory = openRoot(source);
  helper.setXattr({ directory, name: Buffer.from('dir/file') }, note, 'file note');
  helper.setXattr({ directory, name: Buffer.from('dir/file') }, acl, 'file acl');
  helper.setXattr({ directory, name: Buffer.from('dir') }, note, 'dir note');
  const failed = await helper.settled();
  const notHere =
    failed.length > 0 && failed.every(({ errno }) => errno === constants.errno.EOPNOTSUPP);
  skip(notHere, 'this file system keeps no attributes');
  expect(failed).toEqual([]);
  const { image, env, dma } = await backUp(server.address, { FILESYSTEM: '/home' });
  expect(dma.logText).toBe('');
  const result = await recover(server.address, image, env, [nameEntry('', '/spare/copy')]);
  expect(result.dma.logText).toBe('');
  const copies = [`${target}/copy`, `${target}/by-tar`];
  mkdirSync(copies[1] as string);
  const untar = ['--xattrs', '--xattrs-include=*', '-xpf', '-', '-C', copies[1] as string];
  execFileSync('tar', untar, { input: image, stdio: ['pipe', 'ignore', 'pipe'] });
  for (const copy of copies) {
    const place = openRoot(copy);
    const found = await helper.readXattrs(place, ['dir', 'dir/file', 'dir/link']);
    expect(byName(found.get(0) ?? [])).toEqual(byName([note]));
    expect(byName(found.get(1) ?? [])).toEqual(byName([acl, note]));
    expect(found.has(2)).toBe(false);
    closeDirectory(place);
  }
  closeDirectory(directory);
});

test('without Perl times are near, nothing waits for ever, and devices are refused', async () => {
  const none = new AttributeHelper('/nowhere/perl');
  expect(await none.ready()).toBe(false);
  const directory = openRoot(`${source}/dir`);
  const place = (name: string) => ({ directory, name: Buffer.from(name), label: name });
  none.setTime(place('file'), { seconds: 1_234_567_890, nanoseconds: 123_456_789 });
  const { mtimeMs } = statSync(`${source}/dir/file`);
  expect(Math.abs(mtimeMs - 1_234_567_890_123.456)).toBeLessThan(1);
  expect(none.makeNode(place('fifo'), 0o010644, 0n, 'fifo')).toBe(false);
  expect((await none.readXattrs(directory, ['file'])).size).toBe(0);
  expect(await none.settled()).toEqual([]);
  closeDirectory(directory);
});
