// JSON for what the store keeps (effect payloads, answers): also bigint and bytes, which JSON lacks and
// our contracts need. {"$int":"9007199254740993"} and {"$bytes":"<base64>"}; anything else is plain JSON.

import assert from 'node:assert';

const INT = '$int';
const BYTES = '$bytes';

/** Text for a `json` column. Fields that are undefined are left out, as JSON does. */
export function toJsonText(value: unknown): string {
  return JSON.stringify(pack(value) ?? null);
}

/** The value of a parsed `json` column. */
export function fromJson(parsed: unknown): unknown {
  if (Array.isArray(parsed)) return parsed.map(fromJson);
  if (parsed === null || typeof parsed !== 'object') return parsed;
  const entries = Object.entries(parsed);
  const [first] = entries;
  if (first !== undefined && entries.length === 1 && typeof first[1] === 'string') {
    if (first[0] === INT) return BigInt(first[1]);
    if (first[0] === BYTES) return new Uint8Array(Buffer.from(first[1], 'base64'));
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, fromJson(item)]));
}

function pack(value: unknown): unknown {
  if (typeof value === 'bigint') return { [INT]: String(value) };
  if (value instanceof Uint8Array) return { [BYTES]: Buffer.from(value).toString('base64') };
  if (typeof value === 'number') {
    assert(Number.isFinite(value), `JSON has no ${value}`);
    return value;
  }
  if (Array.isArray(value)) return value.map((item) => pack(item) ?? null);
  if (value === null || typeof value !== 'object') return value;
  const proto: unknown = Object.getPrototypeOf(value);
  assert(proto === Object.prototype || proto === null, 'only plain objects can be stored');
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      assert(key !== INT && key !== BYTES, `a stored object cannot have a field ${key}`);
      return [key, pack(item)];
    }),
  );
}
