// Which fields of a record a request changes: its `set` names them, everything else stays.

import { StatusError } from '@tapestry/status';

/** The names as a set. Errors: 152 nothing is to change, 223 a name that may not be changed. */
export function checkSet<const N extends string>(
  set: readonly string[],
  allowed: readonly N[],
): ReadonlySet<N> {
  if (set.length === 0) throw new StatusError('requiredValueNotSet', 'nothing is to be changed');
  const wrong = set.find((name) => !(allowed as readonly string[]).includes(name));
  if (wrong !== undefined) {
    throw new StatusError('invalidEntry', `'${wrong}' cannot be changed`);
  }
  return new Set(set as readonly N[]);
}
