import { expect, test } from 'vitest';
import { type EarlyWarning, nextWarning, type WarningEvent } from './early-warning.ts';

const past: WarningEvent = { type: 'written', pastWarning: true };
const before: WarningEvent = { type: 'written', pastWarning: false };

test.each<[EarlyWarning, WarningEvent, EarlyWarning]>([
  ['none', before, 'none'],
  ['none', past, 'due'],
  ['due', past, 'due'],
  ['due', { type: 'refused' }, 'told'],
  ['told', past, 'told'],
  ['told', { type: 'moved' }, 'none'],
  ['due', { type: 'moved' }, 'none'],
  ['told', before, 'none'],
])('%s, %o: %s', (state, event, next) => expect(nextWarning(state, event)).toBe(next));
