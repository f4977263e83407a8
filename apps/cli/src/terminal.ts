// The person at the keyboard: whether there is one, and a secret typed without being shown.

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { StatusError } from '@tapestry/status';
import type { Terminal } from './command.ts';

export function processTerminal(): Terminal {
  return {
    isScreen: process.stdout.isTTY === true,
    isAsked: process.stdin.isTTY === true,
    get columns() {
      return process.stdout.columns ?? 80;
    },
    lines: () => createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY }),
    ask: async (question) => {
      process.stderr.write(question);
      const answer = process.stdin.isTTY ? await typedLine() : await piped();
      return answer.split(/\r?\n/, 1)[0] ?? '';
    },
    secret: async (question, file) => {
      const text = file === undefined ? await typedOrPiped(question) : secretFile(file);
      const secret = text.replace(/[\r\n]+$/, '').split(/\r?\n/, 1)[0] ?? '';
      if (secret === '') throw new StatusError('requiredValueNotSet', 'the password is empty');
      return secret;
    },
  };
}

function secretFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new StatusError(
      'fileReadFailed',
      `the password file ${file} cannot be read`,
      {},
      { cause },
    );
  }
}

async function typedOrPiped(question: string): Promise<string> {
  if (process.stdin.isTTY) return typed(question);
  return await piped();
}

async function piped(): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

/** Empty when the input ends instead. */
function typedLine(): Promise<string> {
  const lines = createInterface({ input: process.stdin });
  return new Promise((resolve) => {
    lines.once('close', () => resolve(''));
    lines.once('line', (line) => {
      resolve(line);
      lines.close();
    });
  });
}

/** Readline writes what is typed to a stream that swallows it. */
function typed(question: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  process.stderr.write(question);
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      process.stderr.write('\n');
      lines.close();
    };
    lines.once('SIGINT', () => {
      finish();
      reject(new StatusError('cancelled', 'no password was given'));
    });
    lines.once('line', (line) => {
      resolve(line);
      finish();
    });
  });
}
