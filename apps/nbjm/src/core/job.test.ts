import { expect, test } from 'vitest';
import type { Effect } from './effects.ts';
import type { JobEvent } from './events.ts';
import {
  backupSpec,
  FACTS,
  GOOD_RUN,
  grantFor,
  IMAGE,
  NOW_MS,
  OK,
  restoreSpec,
  runResult,
  status,
} from './job.test-data.ts';
import { type Step, step, submit } from './job.ts';
import { resourceRequest } from './need.ts';
import { attemptOf, grantRef, isLive, type Job } from './state.ts';

const ATTEMPT = { jobId: 17n, try: 1, step: 0 };
const GRANT = grantFor(ATTEMPT, 'g1');
const BAD_RUN = runResult({ status: status('mediaWriteError') });
/** The image had gone on upon its third volume. */
const BAD_ON_THIRD = runResult({
  status: { ...status('mediaWriteError'), context: { mediaId: 'A00003' } },
});

const EVENTS = {
  granted: { type: 'granted', grant: GRANT },
  opened: { type: 'imageOpened', grantId: 'g1', image: IMAGE },
  started: { type: 'started', grantId: 'g1' },
  good: { type: 'runEnded', grant: grantRef(GRANT), result: GOOD_RUN },
  bad: { type: 'runEnded', grant: grantRef(GRANT), result: BAD_RUN },
  badLater: { type: 'runEnded', grant: grantRef(GRANT), result: BAD_ON_THIRD },
  released: { type: 'released', grantId: 'g1' },
  validated: { type: 'validated', attempt: ATTEMPT },
  abandoned: { type: 'abandoned', attempt: ATTEMPT },
  noRetry: { type: 'verdict', attempt: ATTEMPT, retryAtMs: 0 },
  retryAt9: { type: 'verdict', attempt: ATTEMPT, retryAtMs: NOW_MS + 9 },
  retryDue: { type: 'woken', attempt: ATTEMPT, why: 'retry' },
  window: { type: 'woken', attempt: ATTEMPT, why: 'window' },
  overdue: { type: 'woken', attempt: ATTEMPT, why: 'stop' },
  missing: { type: 'runMissing', grantId: 'g1' },
  lost: { type: 'grantLost', grant: grantRef(GRANT), reason: 'no renewal' },
  cancel: { type: 'cancelled', requester: 'root' },
} as const satisfies Record<string, JobEvent>;
type EventName = keyof typeof EVENTS;

/** Runs named events on a new backup job; the last step's effects, without the lines. */
function run(...names: EventName[]): { job: Job; effects: Effect[]; all: Effect[] } {
  return drive(submit({ id: 17n, spec: backupSpec(), nowMs: NOW_MS }), names);
}

function drive(first: Step, names: readonly EventName[]) {
  let last = first;
  const all = [...first.effects];
  for (const name of names) {
    last = step(last.job, EVENTS[name], FACTS);
    all.push(...last.effects);
  }
  const effects = last.effects.filter((effect) => effect.do !== 'tellDetail');
  return { job: last.job, effects, all };
}

const kinds = (effects: readonly Effect[]) => effects.map((effect) => effect.do);

test('a new job asks for resources', () => {
  const { job, effects } = run();
  expect(job).toMatchObject({ id: 17n, try: 1, step: 0, phase: { name: 'queued' }, version: 1 });
  expect(effects).toEqual([{ do: 'requestResources', attempt: ATTEMPT }]);
});

test('a backup that goes well: grant, image, run, validation, release, done', () => {
  expect(kinds(run('granted').effects)).toEqual(['openImage']);
  expect(kinds(run('granted', 'opened').effects)).toEqual(['startRun']);
  expect(run('granted', 'opened', 'started').job.phase.name).toBe('running');
  const ended = run('granted', 'opened', 'started', 'good');
  expect(kinds(ended.effects)).toEqual(['giveUpRun', 'releaseGrant', 'validateImage']);
  expect(run('granted', 'opened', 'started', 'good', 'validated').job.phase.name).toBe('closing');
  expect(run('granted', 'opened', 'started', 'good', 'released').job.phase.name).toBe('closing');
  const done = run('granted', 'opened', 'started', 'good', 'validated', 'released');
  expect(done.job).toMatchObject({
    phase: { name: 'done', status: OK },
    shown: { bytes: 1_000n, files: 3n, mediaId: 'A00001', backupId: IMAGE.backupId },
  });
  expect(done.effects).toMatchObject([{ do: 'tellTryEnded', status: { code: 0 }, wanted: false }]);
});

test('a run that ends before the answer to its start is not lost', () => {
  expect(run('granted', 'opened', 'good').job.phase.name).toBe('closing');
});

test('a failed run gives back, removes its image, and waits for the verdict', () => {
  const bad = run('granted', 'opened', 'started', 'bad');
  expect(kinds(bad.effects)).toEqual(['giveUpRun', 'releaseGrant', 'abandonImage', 'tellTryEnded']);
  expect(bad.effects.at(-1)).toMatchObject({ wanted: true, status: { code: 84 } });
  const resting = run('granted', 'opened', 'bad', 'retryAt9', 'abandoned', 'released');
  expect(resting.job.phase).toMatchObject({ name: 'resting', retryAtMs: NOW_MS + 9 });
  expect(resting.effects).toEqual([
    { do: 'wake', attempt: ATTEMPT, why: 'retry', atMs: NOW_MS + 9 },
  ]);
  const again = run('granted', 'opened', 'bad', 'retryAt9', 'abandoned', 'released', 'retryDue');
  expect(again.job).toMatchObject({ try: 2, step: 0, phase: { name: 'queued' } });
  expect(again.job.avoidMediaIds).toEqual(['A00001']);
  const later = run('granted', 'opened', 'badLater', 'retryAt9', 'abandoned', 'released');
  expect(later.job.avoidMediaIds).toEqual(['A00003']);
  expect(again.effects).toEqual([{ do: 'requestResources', attempt: { ...ATTEMPT, try: 2 } }]);
  const over = run('granted', 'opened', 'bad', 'noRetry', 'abandoned', 'released');
  expect(over.job.phase).toMatchObject({ name: 'done', status: { code: 84 } });
});

test('a late grant, and one for an earlier try, are handed back', () => {
  const late: EventName[] = ['granted', 'opened', 'bad', 'retryAt9', 'abandoned', 'released'];
  for (const before of [late, [...late, 'retryDue'] as EventName[], ['cancel'] as EventName[]]) {
    expect(run(...before, 'granted').effects).toEqual([
      { do: 'releaseGrant', grant: grantRef(GRANT) },
    ]);
  }
  const { job } = run('granted');
  const second = step(job, { type: 'granted', grant: grantFor(ATTEMPT, 'g2') }, FACTS);
  expect(second.effects).toMatchObject([{ do: 'releaseGrant', grant: { grantId: 'g2' } }]);
  expect(second.job).toBe(job);
});

test('a report of an earlier try, or under another epoch, changes nothing', () => {
  const { job } = run('granted', 'opened', 'bad', 'retryAt9', 'abandoned', 'released', 'retryDue');
  expect(step(job, EVENTS.good, FACTS)).toEqual({ job, effects: [] });
  const running = run('granted', 'opened', 'started').job;
  const stale = { ...EVENTS.good, grant: { ...grantRef(GRANT), epoch: 9n } };
  expect(step(running, stale, FACTS).job).toBe(running);
});

test('an image that cannot be validated fails the try', () => {
  const { job } = run('granted', 'opened', 'good', 'released');
  const failed = step(
    job,
    { type: 'validationFailed', attempt: ATTEMPT, status: status('imageInconsistent') },
    FACTS,
  );
  expect(kinds(failed.effects)).toEqual(['abandonImage', 'tellTryEnded', 'tellDetail']);
  const over = drive(failed, ['abandoned', 'noRetry']);
  expect(over.job.phase).toMatchObject({ name: 'done', status: { code: 229 } });
});

test('cancel: queued ends at once, with the request withdrawn', () => {
  const { job, effects } = run('cancel');
  expect(job.phase).toMatchObject({ name: 'done', status: { code: 150 } });
  expect(kinds(effects)).toEqual(['withdrawRequest', 'giveUpRun', 'tellTryEnded']);
});

test('cancel: while the image is opened, whatever was opened goes away', () => {
  const { job, effects } = run('granted', 'cancel');
  expect(kinds(effects)).toEqual(['giveUpRun', 'releaseGrant', 'abandonImage', 'tellTryEnded']);
  expect(job.phase).toMatchObject({ name: 'closing', status: { code: 150 } });
});

test('cancel: a run is told to end and its end awaited, a second cancel adds nothing', () => {
  for (const started of [['started'], []] as EventName[][]) {
    const stopping = run('granted', 'opened', ...started, 'cancel');
    expect(kinds(stopping.effects)).toEqual(['giveUpRun', 'cancelRun', 'wake']);
    expect(drive(stopping, ['cancel']).effects).toEqual([]);
    // Even a run that ended well: the operator wanted it gone.
    for (const end of ['bad', 'good', 'missing'] as const) {
      const closing = drive(stopping, [end]);
      expect(closing.job.phase).toMatchObject({ name: 'closing', status: { code: 150 } });
      expect(drive(closing, ['released', 'abandoned']).job.phase.name).toBe('done');
    }
  }
});

test('cancel: a run that does not end gives its grant back at the deadline, fenced', () => {
  const { job, effects } = run('granted', 'opened', 'started', 'cancel', 'overdue');
  expect(kinds(effects)).toEqual([
    ...['giveUpRun', 'cancelRun', 'releaseGrant', 'abandonImage', 'tellTryEnded'],
  ]);
  expect(effects[1]).toMatchObject({ fence: true });
  expect(job.phase).toMatchObject({ name: 'closing', waits: ['release', 'abandon'] });
});

test('cancel: a failed try that closes or rests has no next one', () => {
  const closing = run('granted', 'opened', 'bad', 'cancel');
  expect(closing.effects).toMatchObject([{ do: 'tellTryEnded', status: { code: 150 } }]);
  expect(drive(closing, ['retryAt9', 'released', 'abandoned']).job.phase).toMatchObject({
    name: 'done',
    status: { code: 150 },
  });
  const rested: EventName[] = ['granted', 'opened', 'bad', 'retryAt9', 'released', 'abandoned'];
  const resting = run(...rested, 'cancel');
  expect(resting.job.phase).toMatchObject({ name: 'done', status: { code: 150 } });
  expect(drive(resting, ['retryDue']).effects).toEqual([]);
});

test('cancel: a good backup that is being validated stays good', () => {
  const { job } = run('granted', 'opened', 'good', 'cancel', 'released', 'validated');
  expect(job.phase).toMatchObject({ name: 'done', status: { code: 0 } });
});

test('a lost grant ends the try and tells the run to end, wherever it is', () => {
  const { job, effects } = run('granted', 'opened', 'started', 'lost');
  expect(effects[1]).toMatchObject({ do: 'cancelRun', fence: true, reason: { code: 40 } });
  expect(job.phase).toMatchObject({ name: 'closing', status: { code: 40 } });
  expect(run('lost').job.phase.name).toBe('closing');
  expect(run('granted', 'opened', 'bad', 'lost').effects).toEqual([]);
});

test('a run that its media server no longer knows ends with 50', () => {
  const { job } = run('granted', 'opened', 'started', 'missing');
  expect(job.phase).toMatchObject({ name: 'closing', status: { code: 50 } });
  expect(run('granted', 'opened', 'missing').job.phase.name).toBe('starting');
});

test('a start that fails ends the try and fences what may have started', () => {
  const { job } = run('granted', 'opened');
  const failed = step(
    job,
    { type: 'startFailed', grantId: 'g1', status: status('cannotConnect') },
    FACTS,
  );
  expect(kinds(failed.effects)).toContain('cancelRun');
  expect(failed.job.phase).toMatchObject({ name: 'closing', status: { code: 25 } });
});

test('a window that closes ends a job that waits, not one that runs', () => {
  const { job, effects } = run('window');
  expect(job.phase).toMatchObject({ name: 'closing', status: { code: 196 }, waits: ['verdict'] });
  expect(kinds(effects)[0]).toBe('withdrawRequest');
  expect(run('granted', 'window').job.phase.name).toBe('opening');
  const spec = backupSpec({ startBeforeMs: BigInt(NOW_MS + 5) });
  const scheduled = submit({ id: 17n, spec, nowMs: NOW_MS });
  expect(scheduled.effects).toContainEqual({
    ...{ do: 'wake', attempt: ATTEMPT, why: 'window', atMs: NOW_MS + 5 },
  });
});

test('a refused request ends the try with the reason of the broker', () => {
  const { job } = run();
  const refused = {
    type: 'refused',
    attempt: ATTEMPT,
    status: status('noMediaAvailable'),
  } as const;
  const closing = step(job, refused, FACTS);
  expect(closing.job.phase).toMatchObject({ status: { code: 96 }, waits: ['verdict'] });
});

test('a reason to wait is shown once, and only while the job waits', () => {
  const { job } = run();
  const waiting = { type: 'waiting', attempt: ATTEMPT, reason: 'all drives are in use' } as const;
  const shown = step(job, waiting, FACTS);
  expect(shown.job).toMatchObject({ phase: { reason: 'all drives are in use' }, version: 2 });
  expect(step(shown.job, waiting, FACTS).job).toBe(shown.job);
  const active = run('granted').job;
  expect(step(active, waiting, FACTS).job).toBe(active);
});

test('a restore goes through its images in order, and is partial when one was', () => {
  let now = submit({ id: 17n, spec: restoreSpec(2), nowMs: NOW_MS });
  const codes = ['partial', 'ok'] as const;
  for (const [index, name] of codes.entries()) {
    const attempt = attemptOf(now.job);
    expect(attempt).toEqual({ ...ATTEMPT, step: index });
    const grant = grantFor(attempt, `r${index}`);
    now = step(now.job, { type: 'granted', grant }, FACTS);
    expect(kinds(now.effects)).toContain('startRun');
    const result = runResult({
      status: status(name, ''),
      restore: { bytes: 10n, filesRestored: 1n },
    });
    now = step(now.job, { type: 'runEnded', grant: grantRef(grant), result }, FACTS);
    expect(kinds(now.effects)).toEqual(['giveUpRun', 'releaseGrant']);
    now = step(now.job, { type: 'released', grantId: `r${index}` }, FACTS);
  }
  expect(now.job).toMatchObject({
    phase: { name: 'done', status: { code: 1 } },
    shown: { bytes: 20n, files: 2n, backupId: 'filer1_1700000001' },
  });
});

test('a restore that fails is not tried again, and a cancel between two steps is the end', () => {
  const first = submit({ id: 17n, spec: restoreSpec(2), nowMs: NOW_MS });
  const granted = step(first.job, EVENTS.granted, FACTS);
  const failed = step(granted.job, EVENTS.bad, FACTS);
  expect(failed.job.phase).toMatchObject({ waits: ['release'] });
  expect(drive(failed, ['released']).job.phase).toMatchObject({ status: { code: 84 } });
  const good = { ...EVENTS.good, result: runResult({ status: OK, restore: {} }) };
  const cancelled = step(step(granted.job, good, FACTS).job, EVENTS.cancel, FACTS);
  expect(drive(cancelled, ['released']).job.phase).toMatchObject({
    name: 'done',
    status: { code: 150 },
  });
});

test('an attempt lives until its run is over, or its image is validated', () => {
  const live = (...names: EventName[]) => isLive(run(...names).job, ATTEMPT);
  expect(live()).toBe(true);
  expect(live('granted', 'opened', 'started')).toBe(true);
  expect(live('granted', 'opened', 'good')).toBe(true);
  expect(live('granted', 'opened', 'good', 'validated')).toBe(false);
  expect(live('granted', 'opened', 'bad')).toBe(false);
  expect(isLive(run().job, { ...ATTEMPT, try: 2 })).toBe(false);
});

test('a label: its volume is asked for, the run started without an image, and no other try is made', () => {
  const label = { mediaId: 'A00001', density: 'hcart' };
  const spec = backupSpec({ type: 'JOB_TYPE_LABEL', backup: null, label });
  const first = submit({ id: 17n, spec, nowMs: NOW_MS });
  expect(resourceRequest(first.job)).toMatchObject({
    ...{ mode: 'DRIVE_MODE_WRITE', mediaId: 'A00001', label },
  });
  const granted = drive(first, ['granted']);
  expect(kinds(granted.effects)).toEqual(['startRun']);
  const good = { type: 'runEnded', grant: grantRef(GRANT), result: runResult({ status: OK }) };
  const ended = step(drive(first, ['granted', 'started']).job, good as JobEvent, FACTS);
  expect(kinds(ended.effects)).toEqual(['giveUpRun', 'releaseGrant']);
  const done = drive(ended, ['released']).job.phase;
  expect(done).toMatchObject({ name: 'done', status: { code: 0 } });
  const bad = drive(first, ['granted', 'started', 'bad', 'released']);
  expect(bad.job.phase).toMatchObject({ name: 'done', status: { code: 84 } });
  const stopping = drive(first, ['granted', 'started', 'cancel']);
  expect(kinds(stopping.effects)).toContain('cancelRun');
  expect(drive(first, ['cancel']).job.phase).toMatchObject({ status: { code: 150 } });
});
