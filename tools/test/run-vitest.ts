// Runs vitest once over the projects and counts, with the name of each failure and the reason of each skip.

import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Reporter,
  type SerializedError,
  startVitest,
  type TestCase,
  type TestModule,
} from 'vitest/node';
import { ROOT } from '../launcher/layout.ts';

const CLOSE_MAX_MS = 30_000;

export interface Totals {
  readonly passed: number;
  readonly failures: readonly Noted[];
  readonly skips: readonly Noted[];
}

export interface Noted {
  readonly name: string;
  readonly reason: string;
}

export async function runVitest(projects: readonly string[]): Promise<Totals> {
  const counter = new Counter();
  const vitest = await startVitest('test', [], {
    root: ROOT,
    run: true,
    watch: false,
    passWithNoTests: false,
    project: [...projects],
    reporters: ['default', counter],
  });
  // A process that a failed test left holds the output of its worker open, and vitest waits for that end for ever.
  await Promise.race([vitest.close(), sleep(CLOSE_MAX_MS)]);
  return counter.totals();
}

class Counter implements Reporter {
  #passed = 0;
  readonly #failures: Noted[] = [];
  readonly #skips: Noted[] = [];

  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    this.#failed('outside of any test', errors);
    for (const module of modules) {
      // A file that could not even be loaded has no tests that could fail.
      const where = `${module.project.name} > ${module.relativeModuleId}`;
      this.#failed(where, module.errors());
      for (const suite of module.children.allSuites()) {
        this.#failed(`${where} > ${suite.fullName}`, suite.errors());
      }
      for (const test of module.children.allTests()) this.#count(where, test);
    }
  }

  #count(where: string, test: TestCase): void {
    const result = test.result();
    const name = `${where} > ${test.fullName}`;
    if (result.state === 'passed') this.#passed += 1;
    else if (result.state === 'skipped') this.#skips.push({ name, reason: result.note ?? '' });
    else this.#failures.push({ name, reason: firstLine(result.errors?.[0]) });
  }

  #failed(name: string, errors: readonly SerializedError[]): void {
    for (const error of errors) this.#failures.push({ name, reason: firstLine(error) });
  }

  totals(): Totals {
    return { passed: this.#passed, failures: this.#failures, skips: this.#skips };
  }
}

function firstLine(error: SerializedError | undefined): string {
  return error?.message.split('\n', 1)[0] ?? 'it did not end';
}
