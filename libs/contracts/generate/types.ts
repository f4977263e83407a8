// Prints the domain types: bigint for 64-bit fields, string unions for enums, null for an absent message.

import type { Contracts, FieldDescription, MessageDescription } from './describe.ts';

const HEAD = '// Generated from proto/ by generate.ts.\n';

export function renderTypes(contracts: Contracts): string {
  const enums = contracts.enums.map(
    ({ name, values }) =>
      `export type ${name} =\n${values.map((value) => `  | '${value}'`).join('\n')};\n`,
  );
  const index = contracts.messages.map(({ name }) => `  ${name}: ${name};`).join('\n');
  const names = contracts.messages
    .map(({ name, fullName }) => `  ${name}: '${fullName}',`)
    .join('\n');
  return [
    HEAD,
    ...enums,
    ...contracts.messages.map(renderMessage),
    `export interface Messages {\n${index}\n}\n`,
    `export const MESSAGE_NAMES = {\n${names}\n} as const;\n`,
  ].join('\n');
}

function renderMessage(message: MessageDescription): string {
  const fields = message.fields.map(
    (field) => `${renderComment(field.comment, '  ')}  ${field.name}: ${fieldType(field)};`,
  );
  const body = fields.length === 0 ? '' : `\n${fields.join('\n')}\n`;
  if (body === '')
    return `${renderComment(message.comment, '')}export type ${message.name} = Record<string, never>;\n`;
  return `${renderComment(message.comment, '')}export interface ${message.name} {${body}}\n`;
}

function fieldType(field: FieldDescription): string {
  if (field.shape === 'repeated') return `${field.type}[]`;
  if (field.shape === 'map') return `Record<string, ${field.type}>`;
  return field.kind === 'message' ? `${field.type} | null` : field.type;
}

export function renderComment(comment: string, indent: string): string {
  if (comment === '') return '';
  return `${indent}/** ${comment.replaceAll('\n', ' ').replaceAll('*/', '* /')} */\n`;
}
