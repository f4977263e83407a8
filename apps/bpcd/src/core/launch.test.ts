import type { RunSpec } from '@tapestry/contracts';
import { codec } from '@tapestry/contracts';
import { expect, test } from 'vitest';
import { checkLaunch } from './launch.ts';

const grant = {
  grantId: 'g1',
  epoch: 3n,
  attempt: { jobId: 4n, try: 1, step: 0 },
  mediaServer: 'media1',
  drive: { name: 'drive0' },
  volume: { mediaId: 'A00001' },
};
const backup = { type: 'JOB_TYPE_BACKUP', backup: { path: '/export' } } as const;

function run(init: Parameters<ReturnType<typeof codec<'RunSpec'>>['encode']>[0]): RunSpec {
  return codec('RunSpec').decode(codec('RunSpec').encode(init));
}

const good = run({ grant, job: backup, image: { backupId: 'b1' } });

test('a whole backup for this host from nbjm may start', () => {
  expect(() => checkLaunch({ run: good, caller: 'nbjm', host: 'media1' })).not.toThrow();
});

test('a label starts without an image, for the volume of its grant alone', () => {
  const labelled = (mediaId: string) =>
    run({ grant, job: { type: 'JOB_TYPE_LABEL', label: { mediaId } } });
  const check = (spec: RunSpec) => checkLaunch({ run: spec, caller: 'nbjm', host: 'media1' });
  expect(() => check(labelled('A00001'))).not.toThrow();
  expect(() => check(labelled('A00002'))).toThrow(/133/);
});

test.each<[string, RunSpec, string, string, RegExp]>([
  ['another peer', good, 'bpbrm', 'media1', /46/],
  ['another host', good, 'nbjm', 'media2', /46 .*media1, this is media2/],
  ['no grant', run({ job: backup, image: {} }), 'nbjm', 'media1', /902/],
  ['no image', run({ grant, job: backup }), 'nbjm', 'media1', /133/],
  [
    'a restore without the step',
    run({ grant, job: { type: 'JOB_TYPE_RESTORE', restore: { steps: [] } }, restoreStep: 0 }),
    'nbjm',
    'media1',
    /133/,
  ],
])('%s is refused', (_what, spec, caller, host, error) => {
  expect(() => checkLaunch({ run: spec, caller, host })).toThrow(error);
});
