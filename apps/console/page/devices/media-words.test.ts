import { expect, test } from 'vitest';
import type { Element } from '../api.ts';
import { contentWords, isWanted, waitersOf } from './media-words.ts';
import { addressIn, hrefOf, viewOf } from './view.ts';

const tape: Element = {
  ...{ address: 7, type: 'slot', number: 7, full: true, barcode: 'A00007L8', mediaId: 'A00007' },
  ...{ state: 'full', pool: 'Archive', missingMediaId: '' },
};
const empty: Element = { ...tape, full: false, barcode: '', mediaId: '', state: null };

test('a place says what is in it', () => {
  expect(contentWords(tape)).toBe('A00007, full');
  expect(contentWords({ ...tape, mediaId: '', state: null })).toBe('A00007L8, not on record');
  expect(contentWords(empty)).toBe('empty');
  expect(contentWords({ ...empty, missingMediaId: 'A00009' })).toBe('empty, A00009 is missing');
});

test('what is looked for is found by name and by state; nothing looked for is no answer', () => {
  expect(isWanted(tape, { text: '', states: [] })).toBeNull();
  expect(isWanted(tape, { text: '07l', states: [] })).toBe(true);
  expect(isWanted(tape, { text: '07', states: ['full', 'frozen'] })).toBe(true);
  expect(isWanted(tape, { text: '07', states: ['frozen'] })).toBe(false);
  expect(isWanted(empty, { text: '', states: ['full'] })).toBe(false);
});

test('those who wait are counted at the drive that they name, not at its longer neighbours', () => {
  const row = { jobId: 1, policy: '', client: '', priority: 0, sinceMs: null };
  const waiting = [
    { ...row, reasons: ['drive drive1 is held by job 4', 'drive drive1 is down'] },
    { ...row, reasons: ['every drive that fits is down: drive1, drive10'] },
  ];
  expect(['drive1', 'drive10', 'drive2'].map((name) => waitersOf(name, waiting))).toEqual([
    2, 1, 0,
  ]);
});

test('an address says what is looked for and which place is chosen', () => {
  const view = { text: 'A0 1', states: ['full', 'frozen'] as const, at: 'filer-1/-2' };
  expect(viewOf(new URL(hrefOf(view), 'http://x').searchParams)).toEqual(view);
  expect(viewOf(new URLSearchParams('state=full,nonsense'))).toMatchObject({ states: ['full'] });
  expect(hrefOf({ text: '', states: [], at: '' })).toBe('/devices');
  expect(addressIn('filer-1/-2', 'filer-1')).toBe(-2);
  expect(addressIn('0/1005', '1')).toBeNull();
  expect(addressIn('', '0')).toBeNull();
});
