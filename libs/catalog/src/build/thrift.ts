// The few shapes of Thrift's compact protocol that a Parquet footer needs, written from plain values.

/** One field of a struct. `i32` also serves enums. */
export type Field =
  | { readonly id: number; readonly i32: number }
  | { readonly id: number; readonly i64: number }
  | { readonly id: number; readonly text: string }
  | { readonly id: number; readonly struct: readonly Field[] }
  | { readonly id: number; readonly i32s: readonly number[] }
  | { readonly id: number; readonly texts: readonly string[] }
  | { readonly id: number; readonly structs: readonly (readonly Field[])[] };

const TYPE = { i32: 5, i64: 6, binary: 8, list: 9, struct: 12 } as const;

/** Fields must come in rising order of id, less than 16 apart. */
export function encodeStruct(fields: readonly Field[]): Buffer {
  const out: number[] = [];
  putStruct(out, fields);
  return Buffer.from(out);
}

function putStruct(out: number[], fields: readonly Field[]): void {
  let last = 0;
  for (const field of fields) {
    out.push(((field.id - last) << 4) | typeOf(field));
    last = field.id;
    putValue(out, field);
  }
  out.push(0);
}

function typeOf(field: Field): number {
  if ('i32' in field) return TYPE.i32;
  if ('i64' in field) return TYPE.i64;
  if ('text' in field) return TYPE.binary;
  if ('struct' in field) return TYPE.struct;
  return TYPE.list;
}

function putValue(out: number[], field: Field): void {
  if ('i32' in field) putInteger(out, field.i32);
  else if ('i64' in field) putInteger(out, field.i64);
  else if ('text' in field) putText(out, field.text);
  else if ('struct' in field) putStruct(out, field.struct);
  else if ('i32s' in field) {
    putListHead(out, field.i32s.length, TYPE.i32);
    for (const value of field.i32s) putInteger(out, value);
  } else if ('texts' in field) {
    putListHead(out, field.texts.length, TYPE.binary);
    for (const value of field.texts) putText(out, value);
  } else {
    putListHead(out, field.structs.length, TYPE.struct);
    for (const value of field.structs) putStruct(out, value);
  }
}

function putListHead(out: number[], count: number, type: number): void {
  if (count < 15) out.push((count << 4) | type);
  else {
    out.push(0xf0 | type);
    putVarint(out, count);
  }
}

function putText(out: number[], text: string): void {
  const bytes = Buffer.from(text, 'utf8');
  putVarint(out, bytes.length);
  for (const byte of bytes) out.push(byte);
}

/** Zigzag of a non-negative number is its double. */
function putInteger(out: number[], value: number): void {
  putVarint(out, value * 2);
}

function putVarint(out: number[], value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    out.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  out.push(rest);
}
