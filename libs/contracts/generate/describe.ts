// Reads the .proto files by reflection into plain descriptions that the renderers print.

import { createRequire } from 'node:module';
import { isAbsolute, join } from 'node:path';
import protobuf from 'protobufjs';

export interface FieldDescription {
  readonly name: string;
  /** TypeScript type of one value. */
  readonly type: string;
  readonly kind: 'scalar' | 'message' | 'enum';
  readonly shape: 'single' | 'repeated' | 'map';
  readonly comment: string;
}

export interface MessageDescription {
  readonly name: string;
  readonly fullName: string;
  readonly comment: string;
  readonly fields: readonly FieldDescription[];
}

export interface EventDescription {
  readonly name: string;
  readonly stream: string;
  readonly publishers: readonly string[];
  readonly consumers: readonly string[];
}

export interface MethodDescription {
  readonly name: string;
  readonly comment: string;
  readonly request: string;
  readonly reply: string;
  readonly callers: readonly string[];
  readonly deadlineMs: number;
}

export interface ServiceDescription {
  readonly name: string;
  readonly perHost: boolean;
  readonly methods: readonly MethodDescription[];
}

export interface Contracts {
  readonly messages: readonly MessageDescription[];
  readonly enums: readonly { readonly name: string; readonly values: readonly string[] }[];
  readonly services: readonly ServiceDescription[];
  readonly events: readonly EventDescription[];
}

const OPTION = '(tapestry.common.v1.';
const SCALARS: Readonly<Record<string, string>> = {
  string: 'string',
  bool: 'boolean',
  bytes: 'Uint8Array',
  int32: 'number',
  uint32: 'number',
  double: 'number',
  int64: 'bigint',
  uint64: 'bigint',
};

/** Reads the files by reflection; options and all. */
export function loadTree(root: string, files: readonly string[]): protobuf.Root {
  const tree = new protobuf.Root();
  const bundled = join(createRequire(import.meta.url).resolve('protobufjs/package.json'), '..');
  tree.resolvePath = (_origin, target) => {
    if (isAbsolute(target)) return target;
    return join(target.startsWith('google/') ? bundled : root, target);
  };
  tree.loadSync([...files], { alternateCommentMode: true, keepCase: false });
  tree.resolveAll();
  return tree;
}

/** The messages alone, as protobufjs's JSON: without options and what they drag in, a third of the code. */
export function bareMessages(tree: protobuf.Root): object {
  return strip({ nested: { tapestry: tree.lookup('tapestry')!.toJSON() } }) as object;
}

function strip(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strip);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(
    ([key, part]) =>
      key !== 'options' && !(isObject(part) && ('extend' in part || 'methods' in part)),
  );
  return Object.fromEntries(kept.map(([key, part]) => [key, strip(part)]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

export function describe(tree: protobuf.Root): Contracts {
  const found = { messages: [], enums: [], services: [], events: [] } as {
    -readonly [K in keyof Contracts]: Contracts[K][number][];
  };
  visit(tree.lookup('tapestry') as protobuf.Namespace, found);
  refuseDuplicates([...found.messages, ...found.enums].map((each) => each.name));
  return found;
}

function visit(
  space: protobuf.NamespaceBase,
  found: { [K in keyof Contracts]: Contracts[K][number][] },
): void {
  for (const item of space.nestedArray) {
    if (item instanceof protobuf.Type) {
      found.messages.push(describeMessage(item));
      const publishers = option(item, 'publishers');
      if (publishers !== '') found.events.push(describeEvent(item, publishers));
    } else if (item instanceof protobuf.Enum) {
      found.enums.push({ name: item.name, values: Object.keys(item.values) });
    } else if (item instanceof protobuf.Service) {
      found.services.push(describeService(item));
    } else if (item instanceof protobuf.Namespace) {
      visit(item, found);
    }
  }
}

function describeMessage(type: protobuf.Type): MessageDescription {
  return {
    name: type.name,
    fullName: type.fullName.slice(1),
    comment: type.comment ?? '',
    fields: type.fieldsArray.map(describeField),
  };
}

function describeField(field: protobuf.Field): FieldDescription {
  const shape = field.map ? 'map' : field.repeated ? 'repeated' : 'single';
  const comment = field.comment ?? '';
  if (field.resolvedType instanceof protobuf.Type) {
    return { name: field.name, type: field.resolvedType.name, kind: 'message', shape, comment };
  }
  if (field.resolvedType instanceof protobuf.Enum) {
    return { name: field.name, type: field.resolvedType.name, kind: 'enum', shape, comment };
  }
  const type = SCALARS[field.type];
  if (type === undefined) throw new Error(`${field.fullName}: no rule for type ${field.type}`);
  return { name: field.name, type, kind: 'scalar', shape, comment };
}

function describeEvent(type: protobuf.Type, publishers: string): EventDescription {
  return {
    name: type.name,
    stream: option(type, 'stream'),
    publishers: list(publishers),
    consumers: list(option(type, 'consumers')),
  };
}

function describeService(service: protobuf.Service): ServiceDescription {
  return {
    name: service.name.toLowerCase(),
    perHost: option(service, 'per_host') === 'true',
    methods: service.methodsArray.map((method) => ({
      name: method.name,
      comment: method.comment ?? '',
      request: method.resolvedRequestType!.name,
      reply: method.resolvedResponseType!.name,
      callers: list(option(method, 'callers')),
      deadlineMs: Number(option(method, 'deadline_ms') || '10000'),
    })),
  };
}

function option(item: protobuf.ReflectionObject, name: string): string {
  const value = (item.options as Record<string, unknown> | undefined)?.[`${OPTION}${name})`];
  return value === undefined ? '' : String(value);
}

function list(text: string): string[] {
  return text.split(',').filter((part) => part !== '');
}

function refuseDuplicates(names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw new Error(`two contracts are named ${name}: names must be unique`);
    seen.add(name);
  }
}
