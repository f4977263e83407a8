import { expect, test } from 'vitest';
import { SERVICES } from '../gen/services.ts';
import { permissionsOf, streamPlans } from './permissions.ts';
import {
  callerToken,
  hostToken,
  parseCaller,
  parseRequestSubject,
  requestSubject,
} from './subjects.ts';

test('a user may call just what the contracts name it for, under its own token', () => {
  const { publish, subscribe } = permissionsOf({ service: 'bptm', host: 'media1' });
  expect(publish).toContain('tapestry.nbemm.any.RecordFragment.bptm-media1');
  expect(publish).toContain('tapestry.ltid.*.Mount.bptm-media1');
  expect(publish.some((subject) => subject.startsWith('tapestry.nbjm.any.SubmitJob'))).toBe(false);
  expect(publish.every((s) => s.endsWith('.bptm-media1'))).toBe(true);
  expect(subscribe).toEqual(['_INBOX_bptm-media1.>', 'tapestry.bptm.media1.*.*']);
});

test('a consumer of a stream gets its own durable and nothing else of JetStream', () => {
  const { publish } = permissionsOf({ service: 'bpjobd' });
  expect(publish).toContain('$JS.API.CONSUMER.MSG.NEXT.JOBS.bpjobd-JobChanged');
  expect(publish.filter((subject) => subject.includes('>'))).toEqual([
    '$JS.ACK.JOBS.bpjobd-JobChanged.>',
    '$JS.ACK.DETAILS.bpjobd-JobDetail.>',
  ]);
});

test('every method names at least one caller', () => {
  for (const [service, { methods }] of Object.entries(SERVICES))
    for (const [name, method] of Object.entries(methods))
      expect(method.callers.length, `${service}.${name}`).toBeGreaterThan(0);
});

test('streams are planned from the events', () => {
  expect(
    streamPlans()
      .map(({ stream }) => stream)
      .sort(),
  ).toEqual(['CATALOG', 'DETAILS', 'JOBS']);
});

test('callers and subjects read back', () => {
  expect(parseCaller(callerToken({ service: 'bptm', host: 'media-1' }))).toEqual({
    service: 'bptm',
    host: 'media-1',
  });
  const subject = requestSubject('nbjm', 'any', 'SubmitJob', 'nbpem');
  expect(parseRequestSubject(subject)).toEqual({ method: 'SubmitJob', caller: 'nbpem' });
  expect(hostToken('Filer.Example.COM')).toBe('filer-example-com');
  expect(() => hostToken('...')).toThrow(RangeError);
});
