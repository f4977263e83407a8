import { expect, test } from 'vitest';
import { judgeErrors, type MediaError } from './media-errors.ts';
import { errorLimits } from './settings.ts';

const LIMITS = errorLimits(new Map());

const now = 1_700_000_000_000;

function errors(...list: [media: string, drive: string, agoMs: number][]): MediaError[] {
  return list.map(([mediaId, drive, agoMs]) => ({ mediaId, drive, atMs: now - agoMs }));
}

function judge(history: MediaError[]) {
  return judgeErrors(history, history.at(-1) as MediaError, LIMITS);
}

test('the third error of a volume within twelve hours freezes it, whatever the drive', () => {
  expect(judge(errors(['A', 'd0', 20], ['A', 'd1', 0])).freezeMedia).toBe(false);
  const third = errors(['A', 'd0', 20], ['A', 'd1', 10], ['A', 'd2', 0]);
  expect(judge(third)).toEqual({ freezeMedia: true, downDrive: false });
});

test('an error older than the window is forgotten', () => {
  const old = errors(['A', 'd0', LIMITS.windowMs], ['A', 'd0', 10], ['A', 'd0', 0]);
  expect(judge(old)).toEqual({ freezeMedia: false, downDrive: false });
});

test('three volumes failing in one drive take the drive down and freeze none', () => {
  const list = errors(['A', 'd0', 20], ['B', 'd0', 10], ['C', 'd0', 0]);
  expect(judge(list)).toEqual({ freezeMedia: false, downDrive: true });
});

test('the site may be stricter, or forget sooner', () => {
  const two = errors(['A', 'd0', 20], ['A', 'd1', 0]);
  const latest = two.at(-1) as MediaError;
  const strict = errorLimits(new Map([['MEDIA_ERROR_THRESHOLD', 1]]));
  expect(judgeErrors(two, latest, strict).freezeMedia).toBe(true);
  expect(judgeErrors(two, latest, { ...strict, windowMs: 20 }).freezeMedia).toBe(false);
});
