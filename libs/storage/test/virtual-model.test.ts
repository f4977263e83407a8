// The virtual drive against the memory drive: the same random orders must have the same answers, across reloads too.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createMemoryLibrary, type Drive, FIRST_ADDRESS } from '../src/index.ts';
import { blockOf, MIB, makeVirtualBench } from './virtual-bench.ts';

type Order = (drive: Drive) => Promise<unknown>;

const CAPACITY = { capacityBytes: 3 * MIB, earlyWarningBytes: MIB };
const bytes = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(65_536, 400_000));
const count = fc.integer({ min: -4, max: 4 });

const orders: fc.Arbitrary<{ name: string; run: Order } | 'reload'> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.array(bytes, { minLength: 1, maxLength: 6 }).map((sizes) => ({
      name: `write ${sizes}`,
      run: (drive: Drive) =>
        drive.writeBlocks(sizes.map((size, i) => blockOf((size + i) & 0xff, size))),
    })),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({
        n: fc.integer({ min: 0, max: 3 }),
        mode: fc.constantFrom('sync' as const, 'buffered' as const),
      })
      .map(({ n, mode }) => ({
        name: `${n} filemarks ${mode}`,
        run: (drive: Drive) => drive.writeFilemarks(n, mode),
      })),
  },
  { weight: 4, arbitrary: fc.constant({ name: 'read', run: readOne }) },
  {
    weight: 2,
    arbitrary: fc.nat(20).map((object) => ({
      name: `locate ${object}`,
      run: (drive: Drive) => drive.locate({ object }),
    })),
  },
  {
    weight: 2,
    arbitrary: fc.record({ file: fc.nat(4), block: fc.nat(4) }).map((target) => ({
      name: `locate ${target.file}.${target.block}`,
      run: (drive: Drive) => drive.locate(target),
    })),
  },
  {
    weight: 2,
    arbitrary: count.map((n) => ({
      name: `marks ${n}`,
      run: (drive: Drive) => drive.spaceFilemarks(n),
    })),
  },
  {
    weight: 2,
    arbitrary: count.map((n) => ({
      name: `blocks ${n}`,
      run: (drive: Drive) => drive.spaceBlocks(n),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.constant({ name: 'end', run: (drive: Drive) => drive.locate('endOfData') }),
  },
  { weight: 1, arbitrary: fc.constant({ name: 'rewind', run: (drive: Drive) => drive.rewind() }) },
  { weight: 1, arbitrary: fc.constant({ name: 'erase', run: (drive: Drive) => drive.erase() }) },
  { weight: 2, arbitrary: fc.constant('reload' as const) },
);

async function readOne(drive: Drive) {
  const into = Buffer.alloc(MIB);
  const result = await drive.readBlock(into);
  if (result.kind !== 'block') return result;
  return {
    kind: 'block',
    first: into[0],
    last: into[result.lengthBytes - 1],
    n: result.lengthBytes,
  };
}

/** What an order does, error and new position included. */
async function outcome(drive: Drive, order: Order): Promise<unknown> {
  const result = await order(drive).catch((error: { status?: string }) => ({
    error: error.status,
  }));
  return { result, position: await drive.position(), capacity: await drive.capacity() };
}

test('any sequence of orders has the same outcome on files as in memory', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(orders, { minLength: 5, maxLength: 40 }), async (script) => {
      const bench = await makeVirtualBench(CAPACITY);
      const library = createMemoryLibrary({
        drives: 1,
        slots: 1,
        cartridges: [{ barcode: 'T1', ...CAPACITY }],
      });
      await library.move(FIRST_ADDRESS.slot, FIRST_ADDRESS.drive);
      let epoch = 1n;
      let model = await library.openDrive(0, { grantId: 'g', epoch });
      let drive = await bench.open();
      try {
        for (const order of script) {
          if (order === 'reload') {
            await drive.close();
            drive = await bench.open();
            epoch += 1n;
            model = await library.openDrive(0, { grantId: 'g', epoch });
          } else {
            const wanted = await outcome(model, order.run);
            expect(await outcome(drive, order.run), order.name).toEqual(wanted);
          }
        }
      } finally {
        await bench.dispose();
      }
    }),
    { numRuns: 25 },
  );
});
