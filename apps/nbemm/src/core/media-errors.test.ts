import { expect, test } from 'vitest';
import { ERROR_WINDOW_MS, judgeErrors, type MediaError } from './media-errors.ts';

const now = 1_700_000_000_000;

function errors(...list: [media: string, drive: string, agoMs: number][]): MediaError[] {
  return list.map(([mediaId, drive, agoMs]) => ({ mediaId, drive, atMs: now - agoMs }));
}

function judge(history: MediaError[]) {
  return judgeErrors(history, history.at(-1) as MediaError);
}

test('the third error of a volume within twelve hours freezes it, whatever the drive', () => {
  expect(judge(errors(['A', 'd0', 20], ['A', 'd1', 0])).freezeMedia).toBe(false);
  const third = errors(['A', 'd0', 20], ['A', 'd1', 10], ['A', 'd2', 0]);
  expect(judge(third)).toEqual({ freezeMedia: true, downDrive: false });
});

test('an error older than the window is forgotten', () => {
  const old = errors(['A', 'd0', ERROR_WINDOW_MS], ['A', 'd0', 10], ['A', 'd0', 0]);
  expect(judge(old)).toEqual({ freezeMedia: false, downDrive: false });
});

test('three volumes failing in one drive take the drive down and freeze none', () => {
  const list = errors(['A', 'd0', 20], ['B', 'd0', 10], ['C', 'd0', 0]);
  expect(judge(list)).toEqual({ freezeMedia: false, downDrive: true });
});
