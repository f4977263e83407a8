// What a filer was found to offer: a heading a subject, and its facts in labelled lines below.

import type { ProbeFact } from '@tapestry/contracts';
import { fields } from './table.ts';

export function factsText(facts: readonly ProbeFact[]): string {
  const groups = [...new Set(facts.map(({ group }) => group))];
  return groups
    .map((group) => {
      const rows = facts
        .filter((fact) => fact.group === group)
        .map(({ name, value }) => [name, value] as const);
      return `\n${group}\n${fields(rows, 2)}`;
    })
    .join('');
}
