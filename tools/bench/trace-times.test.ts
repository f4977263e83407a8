import { expect, test } from 'vitest';
import { haltTimes, parseTrace, pauseTimes } from './trace-times.ts';

/** Events at so many milliseconds, as the agent records them, with what else stands between. */
function trace(...lines: readonly string[]): string {
  const messages = lines.map((line) => {
    const [ms = '', ...words] = line.split(' ');
    return `${1_767_000_000_000 + Number(ms)} . ${words.join(' ')}\nserver 0000aa`;
  });
  return ['# NDMP session 1.1 with filer1', ...messages, '# the connection ended'].join('\n');
}

const PAUSE = [
  '100 7 server! notifyMoverPaused reason=5 seekPosition=0',
  '103 20 dma> tapeMtio operation=5 count=1',
  '143 8 server< tapeMtio to 20: no error residualCount=0',
];

test('a pause is as long as it is, less what the tape took', () => {
  const events = parseTrace(
    trace(
      ...PAUSE,
      '150 21 dma> moverSetWindow offset=0 length=9',
      '152 9 server< moverSetWindow to 21: no error',
      '160 22 dma> moverContinue',
      '900 10 server! notifyMoverPaused reason=5 seekPosition=0',
      '905 23 dma> moverContinue',
    ),
  );
  expect(pauseTimes(events)).toEqual([
    { ms: 20, ownMs: 18 },
    { ms: 5, ownMs: 5 },
  ]);
  expect(haltTimes(events)).toEqual([]);
});

test('between closing one volume and opening the next it is the robot', () => {
  const exchange = [
    '150 21 dma> tapeClose',
    '152 9 server< tapeClose to 21: no error',
    '9152 22 dma> tapeOpen device="drive0" mode=1',
    '9160 10 server< tapeOpen to 22: no error',
    '9162 23 dma> moverContinue',
  ];
  expect(pauseTimes(parseTrace(trace(...PAUSE, ...exchange)))).toEqual([{ ms: 12, ownMs: 12 }]);
});

test('a halt counts from the last word of it to the filemark; a mover that halts was not continued', () => {
  const events = parseTrace(
    trace(
      ...PAUSE,
      '200 9 server! notifyMoverHalted reason=2 text=""',
      '205 10 server! notifyDataHalted reason=1 text="done: 0 files"',
      '207 21 dma> tapeGetState',
      '209 11 server< tapeGetState to 21: no error',
      '210 22 dma> tapeMtio operation=4 count=1',
      '212 12 server< tapeMtio to 22: no error residualCount=0',
      '215 23 dma> tapeMtio operation=5 count=1',
    ),
  );
  expect(pauseTimes(events)).toEqual([]);
  expect(haltTimes(events)).toEqual([{ ms: 6, ownMs: 6 }]);
});
