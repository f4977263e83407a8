import { expect, test } from 'vitest';
import { type Admission, admit, noDemand, noteMiss } from './delivery-limits.ts';

function ask(times: number, tag: (at: number) => string, nowMs: (at: number) => number): Admission {
  let demand = noDemand(nowMs(0));
  let last: Admission | undefined;
  for (let at = 0; at < times; at += 1) {
    last = admit(demand, tag(at), nowMs(at));
    ({ demand } = last);
  }
  return last!;
}
const none = () => '';

test('a burst of 200, then 20 a second', () => {
  expect(ask(200, none, () => 0).kind).toBe('admitted');
  const spent = ask(201, none, () => 0);
  expect(spent).toMatchObject({ kind: 'refused', why: expect.stringContaining('a second') });
  expect(admit(spent.demand, '', 49).kind).toBe('refused');
  expect(admit(spent.demand, '', 50).kind).toBe('admitted');
});

test('500 keys an hour, however slowly they are asked for', () => {
  const each = (at: number) => String(at);
  const slowly = (at: number) => at * 100;
  expect(ask(500, each, slowly)).toMatchObject({ kind: 'admitted', tagsThisHour: 500 });
  const beyond = ask(501, each, slowly);
  expect(beyond.kind).toBe('refused');
  expect(admit(beyond.demand, '7', 60_000).kind).toBe('admitted');
  expect(admit(beyond.demand, 'new', 60 * 60_000).kind).toBe('admitted');
});

test('who asks for what is not theirs is kept waiting', () => {
  let demand = noDemand(0);
  for (let at = 0; at < 10; at += 1) demand = noteMiss(demand, at);
  expect(admit(demand, '', 20).kind).toBe('admitted');
  demand = noteMiss(demand, 20);
  expect(admit(demand, '', 21)).toMatchObject({ why: expect.stringContaining('wait 300 s') });
  expect(admit(demand, '', 300_020).kind).toBe('admitted');
});
