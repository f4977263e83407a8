// Runs one command: reads its line, gives it what it needs, and turns how it ended into a message and an exit code.

import { STATUS, StatusError, statusByCode } from '@tapestry/status';
import type { Command, Context } from './command.ts';
import { type OptionSpec, parseLine, usage } from './option-table.ts';
import { wrapped } from './render/table.ts';

/** What the shell sees: eight bits, so above 255 it is 252 and the text has the number. */
export function shellCode(status: number): number {
  return status > 255 ? 252 : status;
}

export async function runCommand(
  command: Command,
  words: readonly string[],
  context: Context,
): Promise<number> {
  if (words.some((word) => ['-help', '--help', '-?'].includes(word))) {
    context.out(helpText(context.name, command));
    return 0;
  }
  try {
    const line = parseLine(command.options, words);
    const extra = line.operands[command.operandsMax ?? 0];
    if (extra !== undefined) throw usage(`'${extra}' is one word too many`);
    return await command.run(line, context);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    context.error(failureText(context.name, command, error));
    return error.code;
  }
}

function failureText(name: string, command: Command, error: StatusError): string {
  if (error.status === 'badUsage') return `${name}: ${error.detail}\n${usageText(name, command)}`;
  return `${statusLine(error.code)}\n  ${error.detail}\n`;
}

/** `EXIT STATUS 227: no such entity was found`; `text` serves codes that this release has no row for. */
export function statusLine(code: number, text = ''): string {
  const row = statusByCode(code);
  return `EXIT STATUS ${code}: ${row === undefined ? text || 'no text for this code' : STATUS[row].text}`;
}

/** Longer forms of a command go on below themselves. */
const LINE_WIDTH = 110;

export function usageText(name: string, command: Command): string {
  const lines = command.synopsis.map((form, i) => {
    const line = `${i === 0 ? 'usage:' : '      '} ${name} ${form}`.trimEnd();
    if (line.length <= LINE_WIDTH) return line;
    const start = line.length - form.length;
    return line.slice(0, start) + wrapped(form, LINE_WIDTH - start).join(`\n${' '.repeat(start)}`);
  });
  return `${lines.join('\n')}\n`;
}

export function helpText(name: string, command: Command): string {
  const rows = Object.entries(command.options).map(([option, spec]): [string, string] => [
    `-${option}${valueText(spec)}`,
    spec.help,
  ]);
  const width = Math.min(28, Math.max(8, ...rows.map(([left]) => left.length)));
  const options = rows.map(([left, help]) => {
    const gap = left.length > width ? `\n${' '.repeat(width + 4)}` : '';
    return `  ${left.padEnd(width)}${gap}${gap === '' ? '  ' : ''}${help}`;
  });
  return [
    `${name}: ${command.purpose}`,
    '',
    usageText(name, command).trimEnd(),
    ...(options.length === 0 ? [] : ['', ...options]),
    '',
    `example: ${command.example}`,
    '',
  ].join('\n');
}

function valueText(spec: OptionSpec): string {
  if (spec.kind === 'flag') return '';
  if (spec.kind === 'date') return ' DATE';
  return spec.kind === 'maybe' ? ` [${spec.value}]` : ` ${spec.value}`;
}
