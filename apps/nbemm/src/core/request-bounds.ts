// What any request of an administrator may hold, whatever it asks for: texts of one line that are not endless, numbers
// that the database has room for. Each field's own meaning is checked behind it.

import { StatusError } from '@tapestry/status';

const TEXT_MAX = 1_024;
const ITEMS_MAX = 10_000;
const NUMBER_MAX = 2_147_483_647;
/** Largest that is exact in a double: epoch milliseconds are kept as such. */
const LARGE_MAX = 9_007_199_254_740_991n;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/;

/** Looks at every field, at every depth. Errors: 223, with the name of the field and never its value. */
export function checkBounds(request: object): void {
  for (const [name, value] of Object.entries(request)) checkValue(name, value);
}

function checkValue(name: string, value: unknown): void {
  if (typeof value === 'string') {
    if (value.length > TEXT_MAX) throw invalid(`${name} has more than ${TEXT_MAX} signs`);
    if (CONTROL.test(value)) throw invalid(`${name} must be one line without control characters`);
  } else if (typeof value === 'number') {
    if (!(value <= NUMBER_MAX)) throw invalid(`${name} is above ${NUMBER_MAX}`);
  } else if (typeof value === 'bigint') {
    if (value > LARGE_MAX) throw invalid(`${name} is above ${LARGE_MAX}`);
  } else if (Array.isArray(value)) {
    if (value.length > ITEMS_MAX) throw invalid(`${name} has more than ${ITEMS_MAX} entries`);
    for (const each of value) checkValue(name, each);
  } else if (typeof value === 'object' && value !== null) checkBounds(value);
}

function invalid(what: string): StatusError {
  return new StatusError('invalidEntry', what);
}
