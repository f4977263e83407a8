// A chain of a full backup and incrementals, recovered in order, is the source: whatever was made,
// changed, renamed, moved, linked or removed in between.

import { mkdirSync, rmSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeWorkspace } from './harness.ts';
import { makeImage, takeImage } from './in-process.ts';
import { type Change, change, changes, describeExactly } from './tree-model.ts';

const workspace = makeWorkspace();
const home = process.cwd();
const source = workspace.file('source');
const target = workspace.file('target');
/** Longer than the lag that is taken off a dump date. */
const APART_MS = 30;
const RUNS = 12;

beforeAll(() => process.chdir(workspace.path));
afterAll(() => {
  process.chdir(home);
  workspace.remove();
});

interface Link {
  readonly image: Buffer;
  readonly tree: string[];
}

/** Makes the changes of each step and a backup after it, each built on the one before. */
async function makeChain(steps: readonly Change[][]): Promise<Link[]> {
  rmSync(source, { recursive: true, force: true });
  const chain: Link[] = [];
  let base: { sinceNs: bigint; directories: Uint8Array } | undefined;
  for (const step of steps) {
    await change(source, step);
    await pause(APART_MS);
    const sinceNs = BigInt(Date.now()) * 1_000_000n - 20_000_000n;
    const made = await makeImage(source, base === undefined ? {} : { base });
    expect(made.logs).toEqual([]);
    base = { sinceNs, directories: made.directories };
    chain.push({ image: made.image, tree: await describeExactly(source) });
    await pause(APART_MS);
  }
  return chain;
}

const steps = fc.tuple(
  changes({ minLength: 10, maxLength: 40 }),
  changes({ minLength: 1, maxLength: 12 }),
  changes({ minLength: 1, maxLength: 12 }),
  changes({ minLength: 1, maxLength: 12 }),
);

test('after every link of the chain the target is what the source was', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const chain = await makeChain(all);
      rmSync(target, { recursive: true, force: true });
      mkdirSync(target);
      for (const { image, tree } of chain) {
        const { logs, elements } = await takeImage(image, target, { removeGone: true });
        expect(logs).toEqual([]);
        expect(elements).toEqual([['', 0]]);
        expect(await describeExactly(target)).toEqual(tree);
      }
    }),
    { numRuns: RUNS },
  );
}, 300_000);
