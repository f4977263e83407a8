import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StatusError } from '@tapestry/status';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { iscsiPath, isIscsiPath, parseIscsiPath, parsePortal } from './device-path.ts';
import { accessTo, type IscsiPlace, iscsiPlace } from './site-file.ts';

const TARGET = 'iqn.2026-01.test.tapestry:library';

describe('paths', () => {
  test.each([
    ['iscsi://10.0.0.9:3261/iqn.2026-01.org.example:lib/3', '10.0.0.9', 3261, 3],
    ['iscsi://library.example/iqn.2026-01.org.example:lib/0', 'library.example', 3260, 0],
    ['iscsi://[fe80::1%eth0]:3260/iqn.2026-01.org.example:lib/16383', 'fe80::1%eth0', 3260, 16383],
    ['iscsi://[::1]/IQN.2026-01.org.example:LIB/1', '::1', 3260, 1],
  ])('%s names one unit', (path, host, port, lun) => {
    const targetName = 'iqn.2026-01.org.example:lib';
    expect(parseIscsiPath(path)).toEqual({ portal: { host, port }, targetName, lun });
  });

  test.each([
    'iscsi:10.0.0.9/iqn.2026-01.org.example:lib/1',
    'iscsi://10.0.0.9/iqn.2026-01.org.example:lib',
    'iscsi://10.0.0.9/iqn.2026-01.org.example:lib/',
    'iscsi://10.0.0.9/iqn.2026-01.org.example:lib/16384',
    'iscsi://10.0.0.9/iqn.2026-01.org.example:lib/1/2',
    'iscsi://10.0.0.9/library/1',
    'iscsi://10.0.0.9:0/iqn.2026-01.org.example:lib/1',
    'iscsi://10.0.0.9:70000/iqn.2026-01.org.example:lib/1',
    'iscsi://::1/iqn.2026-01.org.example:lib/1',
    'iscsi://user:word@host/iqn.2026-01.org.example:lib/1',
    'iscsi:///iqn.2026-01.org.example:lib/1',
  ])('%s is none', (path) => {
    expect(isIscsiPath(path)).toBe(true);
    expect(() => parseIscsiPath(path)).toThrow(/20 invalidParameter/);
  });

  test('are read as they are written', () => {
    const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
    const port = fc.integer({ min: 1, max: 65_535 });
    fc.assert(
      fc.property(host, port, fc.integer({ min: 0, max: 16_383 }), (name, number, lun) => {
        const path = { portal: { host: name, port: number }, targetName: TARGET, lun };
        expect(parseIscsiPath(iscsiPath(path))).toEqual(path);
      }),
    );
  });

  test('a portal has a port of its own or the usual one', () => {
    expect(parsePortal('[::1]:1')).toEqual({ host: '::1', port: 1 });
    expect(parsePortal('library')).toEqual({ host: 'library', port: 3260 });
    expect(() => parsePortal('')).toThrow(/20/);
  });
});

describe("a site's file", () => {
  const dir = mkdtempSync(join(tmpdir(), 'iscsi-site-'));
  afterAll(() => rmSync(dir, { recursive: true }));
  const place = iscsiPlace('Media1', '', dir);
  const write = (value: unknown): void => writeFileSync(place.file, JSON.stringify(value));
  const failure = (of: IscsiPlace = place): StatusError => {
    try {
      accessTo(TARGET, of);
    } catch (error) {
      if (error instanceof StatusError) return error;
    }
    throw new Error('it was taken');
  };

  test('may be missing where nobody named it', () => {
    const name = 'iqn.2026-01.invalid.tapestry:media1';
    expect(accessTo(TARGET, place)).toEqual({ initiatorName: name });
    const named = iscsiPlace('media1', join(dir, 'other.json'), dir);
    expect(failure(named)).toMatchObject({ status: 'fileOpenFailed' });
  });

  test('says who logs in, and with which secret, by target', () => {
    writeFileSync(join(dir, 'secret'), 'twelve-bytes-or-more\n');
    writeFileSync(join(dir, 'theirs'), 'their-twelve-bytes-or-more');
    const initiatorName = 'iqn.2026-01.org.example:backup';
    const chap = { user: 'media1', secretFile: 'secret' };
    write({
      initiatorName,
      targets: {
        [TARGET]: { chap: { ...chap, target: { secretFile: join(dir, 'theirs') } } },
        '*': { dataDigest: 'required' },
      },
      discovery: { chap },
    });
    const secret = Buffer.from('twelve-bytes-or-more');
    const target = { secret: Buffer.from('their-twelve-bytes-or-more') };
    expect(accessTo(TARGET, place)).toEqual({
      initiatorName,
      chap: { user: 'media1', secret, target },
    });
    expect(accessTo('iqn.2026-01.org.example:other', place)).toEqual({
      ...{ initiatorName, dataDigest: 'required' },
    });
    expect(accessTo(null, place)).toEqual({ initiatorName, chap: { user: 'media1', secret } });
  });

  test('that is wrong is named with what is wrong in it, and without a secret', () => {
    write({ initiatorName: 'backup' });
    expect(failure().detail).toMatch(/iscsi\.json: initiatorName: an iSCSI name/);
    write({ targets: { [TARGET]: { chap: { user: 'media1', secret: 'in-clear-in-here' } } } });
    expect(failure()).toMatchObject({ status: 'invalidEntry' });
    expect(failure().message).not.toContain('in-clear');
    write({ targets: { '*': { chap: { user: 'media1', secretFile: 'none' } } } });
    expect(failure()).toMatchObject({
      status: 'fileOpenFailed',
      detail: expect.stringMatching(/none/),
    });
    writeFileSync(place.file, '{');
    expect(failure()).toMatchObject({ status: 'invalidEntry' });
  });
});
