// What a filer was found to offer: a heading a subject, and its facts in labelled lines below, long ones over several.

import type { ProbeFact } from '@tapestry/contracts';
import { wrapped } from './table.ts';

const WIDTH = 100;
const INDENT = 2;

export function factsText(facts: readonly ProbeFact[]): string {
  const groups = [...new Set(facts.map(({ group }) => group))];
  return groups
    .map((group) => `\n${group}\n${rowsText(facts.filter((fact) => fact.group === group))}`)
    .join('');
}

function rowsText(rows: readonly ProbeFact[]): string {
  const labelWidth = Math.max(...rows.map(({ name }) => name.length)) + 2;
  const start = INDENT + labelWidth + 1;
  return rows
    .map(({ name, value }) => {
      const [first = '-', ...rest] = wrapped(value, WIDTH - start);
      const label = `${name}:`.padEnd(labelWidth);
      const lines = [
        `${' '.repeat(INDENT)}${label} ${first}`,
        ...rest.map((line) => ' '.repeat(start) + line),
      ];
      return `${lines.join('\n')}\n`;
    })
    .join('');
}
