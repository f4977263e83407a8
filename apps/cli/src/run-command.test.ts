import { expect, test } from 'vitest';
import { COMMAND_NAMES, findCommand } from './commands.ts';
import { helpText, shellCode, statusLine, usageText } from './run-command.ts';

test.each([
  [0, 0],
  [144, 144],
  [255, 255],
  [256, 252],
  [2108, 252],
])('the shell sees %s as %s', (status, code) => expect(shellCode(status)).toBe(code));

test('a status has its text, also one that only a newer release knows', () => {
  expect(statusLine(227)).toBe('EXIT STATUS 227: no such entity was found');
  expect(statusLine(4999, 'the moon was full')).toBe('EXIT STATUS 4999: the moon was full');
});

test.each(COMMAND_NAMES)('%s explains itself', async (name) => {
  const command = await findCommand(name);
  if (command === undefined) throw new Error('not found');
  const help = helpText(name, command);
  for (const option of Object.keys(command.options)) expect(help).toContain(`  -${option}`);
  expect(usageText(name, command)).toMatch(new RegExp(`^usage: ${name}`));
  expect(command.example).toMatch(new RegExp(`^${name}( |$)`));
  expect(Math.max(...help.split('\n').map((line) => line.length))).toBeLessThan(120);
});

test('no command is known by the name of something every object has', async () => {
  expect(await findCommand('constructor')).toBeUndefined();
});
