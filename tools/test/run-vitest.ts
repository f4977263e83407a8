// Runs vitest once over the projects and counts, with the reason of each skip.

import { type Reporter, startVitest, type TestCase, type TestModule } from 'vitest/node';
import { ROOT } from '../launcher/layout.ts';

export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skips: readonly { readonly name: string; readonly reason: string }[];
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
  await vitest.close();
  return counter.totals();
}

class Counter implements Reporter {
  #passed = 0;
  #failed = 0;
  readonly #skips: { name: string; reason: string }[] = [];

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    this.#failed += errors.length;
    for (const module of modules) {
      // A file that could not even be loaded has no tests that could fail.
      if (module.state() === 'failed' && module.children.size === 0) this.#failed += 1;
      for (const suite of module.children.allSuites()) this.#failed += suite.errors().length;
      for (const test of module.children.allTests()) this.#count(test);
    }
  }

  #count(test: TestCase): void {
    const result = test.result();
    if (result.state === 'passed') this.#passed += 1;
    else if (result.state === 'skipped') {
      const name = `${test.project.name} > ${test.fullName}`;
      this.#skips.push({ name, reason: result.note ?? '' });
    } else this.#failed += 1;
  }

  totals(): Totals {
    return { passed: this.#passed, failed: this.#failed, skips: this.#skips };
  }
}
