import { expect, test } from 'vitest';
import { type Fault, strike } from './faults.ts';

/** What happens in so many tries. */
function tries(fault: Fault, count: number): string {
  let faults: readonly Fault[] = [fault];
  return Array.from({ length: count }, () => {
    const { struck, left } = strike(faults, ['drive 0', 'cartridge A1'], fault.kind);
    faults = left;
    return struck ? '!' : '.';
  }).join('');
}

test('a fault strikes where it sits, after so many good tries, and so often', () => {
  expect(tries({ place: 'drive 0', kind: 'readFails' }, 4)).toBe('!!!!');
  expect(tries({ place: 'cartridge A1', kind: 'readFails', times: 2 }, 4)).toBe('!!..');
  expect(tries({ place: 'drive 0', kind: 'writeFails', after: 2, times: 1 }, 5)).toBe('..!..');
  expect(tries({ place: 'drive 1', kind: 'readFails' }, 3)).toBe('...');
  expect(tries({ place: 'drive 0', kind: 'readFails', times: 0 }, 2)).toBe('..');
});

test('a fault of another kind stays what it is', () => {
  const faults: Fault[] = [{ place: 'robot', kind: 'jam', times: 1 }];
  expect(strike(faults, ['robot'], 'doorOpen')).toEqual({ struck: null, left: faults });
});
