import { expect, test } from 'vitest';
import { makeRingMemory, Ring } from './ring.ts';

const BLOCK_SIZE_BYTES = 1024;
const make = (slots = 4, wakeBlocks = 1) => {
  const memory = makeRingMemory(slots, BLOCK_SIZE_BYTES, wakeBlocks);
  return { producer: new Ring(memory), consumer: new Ring(memory) };
};

test('blocks come out in order, with their spans, through many rounds of the ring', () => {
  const { producer, consumer } = make();
  let taken = 0;
  for (let n = 0; n < 100; n += 1) {
    producer.nextBlock()[0] = n;
    producer.publish(64, n);
    if (!producer.hasRoom) {
      while (consumer.filled > 0) {
        const slot = consumer.peek(0);
        expect([slot.block[0], slot.payloadStart, slot.payloadBytes]).toEqual([taken, 64, taken]);
        consumer.free(1);
        taken += 1;
      }
    }
  }
  expect(taken).toBe(100);
});

test('a waiting producer is woken once half of the ring is free', async () => {
  const { producer, consumer } = make();
  for (let n = 0; n < 4; n += 1) producer.publish(0, 1);
  let woken = false;
  const waiting = producer
    .wait('room', () => producer.filled <= 2)
    .then(() => {
      woken = true;
    });
  consumer.free(1);
  await new Promise((resolve) => setImmediate(resolve));
  expect(woken).toBe(false);
  consumer.free(1);
  await waiting;
});

test('an end or a stop wakes whoever waits, and a wait for too little has an end', async () => {
  const ended = make(4, 4);
  const waiting = ended.consumer.wait('blocks', () => ended.consumer.ended);
  ended.producer.publish(0, 1);
  ended.producer.end();
  await waiting;
  ended.consumer.waitSync('blocks', () => false, 1);
  expect(ended.consumer.filled).toBe(1);
  const stopped = make();
  const blocked = stopped.producer.wait('room', () => false);
  stopped.consumer.stop();
  await blocked;
});
