// What must hold of every content of the store, whatever was asked. Looked at before each commit: a content that breaks
// one is a bug of ours, and is never written.

import type { KeyStoreDocument } from './key-store.ts';

/** Every broken rule in words; empty when all hold. */
export function brokenRules({ groups, keys }: KeyStoreDocument): string[] {
  const broken: string[] = [];
  const unique = (what: string, values: readonly string[]) => {
    if (new Set(values).size !== values.length) broken.push(`${what} are not unique`);
  };
  const groupTags = new Set(groups.map(({ tag }) => tag));
  const active = keys.filter(({ state }) => state === 'active');
  unique(
    'group names',
    groups.map(({ name }) => name),
  );
  unique(
    'group tags',
    groups.map(({ tag }) => tag),
  );
  unique(
    'key tags',
    keys.map(({ tag }) => tag),
  );
  unique(
    'keys',
    keys.map(({ proof }) => proof),
  );
  unique(
    'key names in a group',
    keys.map(({ groupTag, name }) => `${groupTag} ${name}`),
  );
  unique(
    'active keys of a group',
    active.map(({ groupTag }) => groupTag),
  );
  if (keys.some(({ groupTag }) => !groupTags.has(groupTag))) broken.push('a key has no group');
  if ([...groups, ...keys].some(({ createdMs, modifiedMs }) => modifiedMs < createdMs)) {
    broken.push('something changed before it was made');
  }
  return broken;
}
