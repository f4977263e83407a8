// docs/commands.md is what people read first: it names every command, and what it shows can be typed.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { COMMAND_NAMES, findCommand } from '../src/commands.ts';
import { parseLine } from '../src/option-table.ts';

const TEXT = readFileSync(resolve(import.meta.dirname, '../../../docs/commands.md'), 'utf8');
/** Shell scripts of the supervisor, which have no option table. */
const NOT_OURS = ['bp.start_all', 'bp.kill_all', 'bpps'];

const rows = [...TEXT.matchAll(/^\| `([\w.-]+)` \|.*\| `([^`]+)` \|$/gm)].map((match) => ({
  ...{ name: match[1] ?? '', example: match[2] ?? '' },
}));

/** Words as a shell parts them, as far as the examples need it. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? '',
  );
}

async function check(line: string): Promise<void> {
  const [name = '', ...words] = wordsOf(line);
  const command = await findCommand(name);
  if (command === undefined) throw new Error(`no command ${name}`);
  const { operands } = parseLine(command.options, words);
  expect(operands.length).toBeLessThanOrEqual(command.operandsMax ?? 0);
}

test('every command has one row', () => {
  const named = rows.map(({ name }) => name).filter((name) => !NOT_OURS.includes(name));
  expect(named.sort()).toEqual([...COMMAND_NAMES].sort());
});

test.each(rows.filter(({ name }) => !NOT_OURS.includes(name)))('$example', async (row) => {
  expect(row.example.split(' ')[0]).toBe(row.name);
  await check(row.example);
});

test('the walk through a filer can be typed', async () => {
  const block = TEXT.match(/```sh\n([\s\S]*?)```/)?.[1] ?? '';
  const lines = block.split('\n').filter((line) => COMMAND_NAMES.includes(wordsOf(line)[0] ?? ''));
  expect(lines.length).toBeGreaterThan(10);
  for (const line of lines) await check(line);
});

test.each([...COMMAND_NAMES])('the example of %s -help can be typed', async (name) => {
  const command = await findCommand(name);
  expect(command?.example).toMatch(new RegExp(`^${name}( |$)`));
  await check(command?.example ?? '');
});
