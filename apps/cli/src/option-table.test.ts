import { StatusError } from '@tapestry/status';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseLine } from './option-table.ts';
import '../test/utc.ts';

const TABLE = {
  i: { kind: 'flag', help: '' },
  p: { kind: 'word', value: 'POLICY', help: '' },
  n: { kind: 'number', value: 'N', help: '' },
  add: { kind: 'words', count: 3, value: 'HOST HW OS', help: '' },
  delete: { kind: 'list', value: 'NAME', help: '' },
  put: { kind: 'list', value: 'NAME', mayBeEmpty: true, help: '' },
  w: { kind: 'maybe', pattern: /^\d+:\d+:\d+$/, value: 'hh:mm:ss', help: '' },
  d: { kind: 'date', help: '' },
} as const;

const parse = (line: string) => parseLine(TABLE, line === '' ? [] : line.split(' '));

test.each<[string, object]>([
  ['', { i: false, p: undefined, w: undefined }],
  ['-i', { i: true }],
  ['-i -i', { i: true }],
  ['-p daily', { p: 'daily' }],
  ['-p -odd', { p: '-odd' }],
  ['-n 12', { n: 12 }],
  ['-add filer NDMP NDMP', { add: ['filer', 'NDMP', 'NDMP'] }],
  ['-delete a b c -i', { delete: ['a', 'b', 'c'], i: true }],
  ['-put -i', { put: [], i: true }],
  ['-w', { w: true }],
  ['-w 01:00:00', { w: '01:00:00' }],
  ['-w -i', { w: true, i: true }],
  ['-d 11/22/2025', { d: 1_763_769_600 }],
  ['-d 11/22/2025 07:00:00', { d: 1_763_794_800 }],
  ['-d 1763794800', { d: 1_763_794_800 }],
])('%s', (line, expected) => {
  expect(parse(line).options).toMatchObject(expected);
});

test('a date may be one word with a blank, as quotes make it', () => {
  expect(parseLine(TABLE, ['-d', '11/22/2025 07:00:00']).options.d).toBe(1_763_794_800);
});

test.each([
  ['-w /path', ['/path']],
  ['one -i two', ['one', 'two']],
  ['-i -- -p', ['-p']],
  ['-', ['-']],
])('%s leaves operands', (line, operands) => {
  expect(parse(line).operands).toEqual(operands);
});

test.each([
  ['-x', /unknown option -x/],
  ['-constructor', /unknown option/],
  ['-p', /-p needs POLICY/],
  ['-p -i', /-p needs POLICY/],
  ['-p a -p b', /given twice/],
  ['-n many', /-n needs a number, not 'many'/],
  ['-n -1', /needs a number/],
  ['-add filer NDMP', /needs HOST HW OS/],
  ['-add filer NDMP -i', /needs HOST HW OS/],
  ['-delete', /needs NAME/],
  ['-d yesterday', /mm\/dd\/yyyy/],
  ['-d 02/30/2025', /mm\/dd\/yyyy/],
])('%s is refused with 144', (line, message) => {
  expect(() => parse(line)).toThrow(message);
  try {
    parse(line);
  } catch (error) {
    expect((error as StatusError).code).toBe(144);
  }
});

test('any words are parsed or refused with 144, and no operand is lost', () => {
  const word = fc.oneof(
    fc.constantFrom('-i', '-p', '-n', '-add', '-delete', '-w', '-d', '-put', '--', '-zz'),
    fc.string({ minLength: 1, maxLength: 6 }),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 12 }), (words) => {
      let parsed: ReturnType<typeof parseLine<typeof TABLE>>;
      try {
        parsed = parseLine(TABLE, words);
      } catch (error) {
        expect(error).toBeInstanceOf(StatusError);
        expect((error as StatusError).status).toBe('badUsage');
        return;
      }
      for (const operand of parsed.operands) expect(words).toContain(operand);
      const { options } = parsed;
      const values = [options.p, ...(options.add ?? []), ...(options.delete ?? [])];
      for (const value of values) if (value !== undefined) expect(words).toContain(value);
    }),
  );
});
