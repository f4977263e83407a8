// Combinators that describe a message body once, for both directions and for the type checker.
// A codec decodes exactly what it encodes; trailing bytes are the caller's business.

import { XdrError, type XdrReader, type XdrWriter } from './xdr.ts';

export interface Codec<T> {
  /** Least bytes on the wire: bounds array counts before anything is allocated. */
  readonly bytesMin: number;
  encode(writer: XdrWriter, value: T): void;
  decode(reader: XdrReader): T;
}

export type Infer<C> = C extends Codec<infer T> ? T : never;

/** u_long, and u_short and u_char, which take a whole word too. */
export const u32: Codec<number> = {
  bytesMin: 4,
  encode: (writer, value) => writer.u32(value),
  decode: (reader) => reader.u32(),
};

/** An enum or a signed short. Values outside the known range survive, to be refused by their reader. */
export const i32: Codec<number> = {
  bytesMin: 4,
  encode: (writer, value) => writer.i32(value),
  decode: (reader) => reader.i32(),
};

export const u64: Codec<bigint> = {
  bytesMin: 8,
  encode: (writer, value) => writer.u64(value),
  decode: (reader) => reader.u64(),
};

export const text: Codec<string> = {
  bytesMin: 4,
  encode: (writer, value) => writer.text(value),
  decode: (reader) => reader.text(),
};

export const opaque: Codec<Buffer> = {
  bytesMin: 4,
  encode: (writer, value) => writer.opaque(value),
  decode: (reader) => reader.opaque(),
};

export function fixed(length: number): Codec<Buffer> {
  return {
    bytesMin: length,
    encode(writer, value) {
      if (value.length !== length) throw new XdrError(`${value.length} bytes, not ${length}`);
      writer.fixed(value);
    },
    decode: (reader) => reader.fixed(length),
  };
}

export function array<T>(element: Codec<T>): Codec<T[]> {
  return {
    bytesMin: 4,
    encode(writer, values) {
      writer.u32(values.length);
      for (const value of values) element.encode(writer, value);
    },
    decode(reader) {
      const values: T[] = [];
      const count = reader.count(Math.max(element.bytesMin, 4));
      for (let i = 0; i < count; i += 1) values.push(element.decode(reader));
      return values;
    },
  };
}

type Fields = Readonly<Record<string, Codec<never> | Codec<unknown>>>;
type Struct<F> = { [K in keyof F]: Infer<F[K]> };

/** Members in the order of the object literal, which is the order on the wire. */
export function struct<F extends Fields>(fields: F): Codec<Struct<F>> {
  const entries = Object.entries(fields) as [keyof F & string, Codec<unknown>][];
  return {
    bytesMin: entries.reduce((sum, [, codec]) => sum + codec.bytesMin, 0),
    encode(writer, value) {
      for (const [key, codec] of entries) codec.encode(writer, value[key]);
    },
    decode(reader) {
      const value: Record<string, unknown> = {};
      for (const [key, codec] of entries) value[key] = codec.decode(reader);
      return value as Struct<F>;
    },
  };
}

/** A value that an older or sloppier peer leaves out at the end of a body. */
export function trailing<T>(codec: Codec<T>, missing: T): Codec<T> {
  return {
    bytesMin: 0,
    encode: (writer, value) => codec.encode(writer, value),
    decode: (reader) => (reader.remaining >= codec.bytesMin ? codec.decode(reader) : missing),
  };
}

/** The same value in another shape: the wire's form stays private to its codec. */
export function mapped<W, T>(wire: Codec<W>, to: (w: W) => T, from: (t: T) => W): Codec<T> {
  return {
    bytesMin: wire.bytesMin,
    encode: (writer, value) => wire.encode(writer, from(value)),
    decode: (reader) => to(wire.decode(reader)),
  };
}

export const empty: Codec<Record<never, never>> = struct({});

/** The error word of a reply: NDMP_ERROR. */
export const error: Codec<number> = u32;
export const errorOnly: Codec<{ error: number }> = struct({ error });
