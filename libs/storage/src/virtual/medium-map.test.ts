import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MediumMap } from './medium-map.ts';
import { storedBytes } from './record-header.ts';

interface Fact {
  readonly mark: boolean;
  readonly segment: number;
  readonly offset: number;
  readonly payloadBytes: number;
}

const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('data' as const),
        bytes: fc.constantFrom(10, 64, 1000),
        count: fc.integer({ min: 1, max: 5 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('mark' as const),
        count: fc.integer({ min: 1, max: 3 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('segment' as const) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('cut' as const),
        part: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    },
  ),
  { maxLength: 30 },
);

test('the map answers like a plain list of records', () => {
  fc.assert(
    fc.property(steps, (script) => {
      const map = new MediumMap();
      const facts: Fact[] = [];
      let segment = 0;
      let offset = 128;
      for (const step of script) {
        if (step.do === 'segment') {
          segment += 1;
          offset = 128;
        } else if (step.do === 'cut') {
          const object = Math.floor(step.part * facts.length);
          map.cut(object);
          facts.length = object;
          segment += 1;
          offset = 128;
        } else {
          const mark = step.do === 'mark';
          const payloadBytes = mark ? 0 : step.bytes;
          map.append({ mark, segment, offset, payloadBytes }, step.count);
          for (let i = 0; i < step.count; i++) {
            facts.push({ mark, segment, offset, payloadBytes });
            offset += storedBytes(payloadBytes);
          }
        }
      }
      expect(map.objectCount).toBe(facts.length);
      let marks = 0;
      let used = 0;
      facts.forEach((fact, object) => {
        expect(map.find(object)).toEqual(fact);
        expect(map.filemarksBefore(object)).toBe(marks);
        if (fact.mark) {
          expect(map.endOfFile(marks)).toBe(object);
          marks += 1;
          expect(map.startOfFile(marks)).toBe(object + 1);
        }
        used += storedBytes(fact.payloadBytes);
      });
      expect(map.fileCount).toBe(marks);
      expect(map.startOfFile(marks + 1)).toBeNull();
      expect(map.usedBytes).toBe(used);
    }),
  );
});

test('what is lost keeps its numbers: objects and files behind it are where they were', () => {
  const map = new MediumMap();
  map.append({ mark: false, segment: 0, offset: 128, payloadBytes: 10 }, 3);
  map.skipTo(10, 2);
  map.append({ mark: true, segment: 2, offset: 128, payloadBytes: 0 }, 1);
  expect(map.find(2)).not.toBeNull();
  expect(map.find(3)).toBeNull();
  expect(map.find(9)).toBeNull();
  expect(map.find(10)).toMatchObject({ mark: true, segment: 2 });
  expect(map.filemarksBefore(10)).toBe(2);
  expect(map.startOfFile(3)).toBe(11);
});
