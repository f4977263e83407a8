// The only way to and from the wire. protobufjs's own encode() turns a bigint into 0 without a word, so every
// message goes fromObject → encode, and decode → toObject with bigints; nothing else may import gen/messages.js.

import { StatusError } from '@tapestry/status';
import { tapestry } from '../gen/messages.js';
import { MESSAGE_NAMES, type Messages } from '../gen/types.ts';

export type MessageName = keyof Messages;

/** What a sender may write: every field may be left out, at every depth. */
export type Init<T> = T extends Uint8Array | string | number | bigint | boolean
  ? T
  : T extends readonly (infer E)[]
    ? readonly Init<E>[]
    : { readonly [K in keyof T]?: Init<T[K]> | null | undefined };

export interface Codec<T> {
  encode(message: Init<T>): Uint8Array;
  /** Absent fields come as their defaults, absent messages as null. Errors: 232 not such a message. */
  decode(bytes: Uint8Array): T;
}

interface StaticType {
  fromObject(object: unknown): unknown;
  toObject(message: unknown, options: object): unknown;
  encode(message: unknown): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
}

const TO_OBJECT = { longs: BigInt, enums: String, defaults: true, arrays: true, objects: true };

const codecs = new Map<MessageName, Codec<unknown>>();

export function codec<N extends MessageName>(name: N): Codec<Messages[N]> {
  let found = codecs.get(name);
  if (found === undefined) {
    found = makeCodec(name);
    codecs.set(name, found);
  }
  return found as Codec<Messages[N]>;
}

function makeCodec(name: MessageName): Codec<unknown> {
  const type = lookUp(MESSAGE_NAMES[name]);
  return {
    encode: (message) => type.encode(type.fromObject(message)).finish(),
    decode: (bytes) => {
      try {
        return type.toObject(type.decode(bytes), TO_OBJECT);
      } catch (error) {
        throw new StatusError('protocolError', `not a ${name}`, {}, { cause: error });
      }
    },
  };
}

function lookUp(fullName: string): StaticType {
  let space: unknown = tapestry;
  for (const part of fullName.split('.').slice(1)) space = (space as Record<string, unknown>)[part];
  return space as StaticType;
}
