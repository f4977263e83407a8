// The files of a new daemon: small, real, and in the shape that all daemons have.

export interface TemplateFile {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
}

/** `name` is the daemon's token: lower case letters and digits, such as `nbvault`. */
export function daemonFiles(name: string, version: string): TemplateFile[] {
  const title = name[0]!.toUpperCase() + name.slice(1);
  const app = `apps/${name}`;
  return [
    { path: `libs/contracts/proto/tapestry/${name}/v1/${name}.proto`, text: proto(name, title) },
    { path: `${app}/package.json`, text: packageJson(name, version) },
    { path: `${app}/tsconfig.json`, text: TSCONFIG },
    { path: `${app}/README.md`, text: readme(name) },
    { path: `${app}/src/main.ts`, text: main() },
    { path: `${app}/src/config.ts`, text: CONFIG },
    { path: `${app}/src/daemon.ts`, text: daemon(name) },
    { path: `${app}/src/service.ts`, text: service(name) },
    { path: `${app}/src/core/age.ts`, text: CORE },
    { path: `${app}/src/core/age.test.ts`, text: CORE_TEST },
    { path: `${app}/test/${name}.int.test.ts`, text: integrationTest(name) },
  ];
}

const proto = (name: string, title: string): string => `syntax = "proto3";
package tapestry.${name}.v1;

import "tapestry/common/v1/options.proto";

// Which one question does this daemon answer?
service ${title} {
  // Tells how long the daemon has run.
  rpc Get${title}Info(Get${title}InfoRequest) returns (${title}Info) {
    option (tapestry.common.v1.callers) = "cli,console";
    option (tapestry.common.v1.deadline_ms) = 5000;
  }
}

message Get${title}InfoRequest {}

message ${title}Info {
  uint64 started_ms = 1;
  // In words, for people.
  string age = 2;
}
`;

const packageJson = (name: string, version: string): string =>
  `${JSON.stringify(
    {
      name: `@tapestry/${name}`,
      version,
      private: true,
      type: 'module',
      nx: { tags: ['layer:app'] },
      scripts: { typecheck: 'tsc -p . --noEmit', lint: 'biome check .' },
      dependencies: {
        '@tapestry/bus': version,
        '@tapestry/contracts': version,
        '@tapestry/runtime': version,
        '@tapestry/status': version,
        zod: '4.6.7',
      },
      devDependencies: { '@tapestry/testkit': version },
    },
    null,
    2,
  )}\n`;

const TSCONFIG = `{
  "extends": "../../tsconfig.base.json",
  "include": ["src", "test", "*.ts"]
}
`;

const readme = (name: string): string => `# ${name}

**Which one question does this daemon answer?** Say it here in a sentence; if it needs "and", it is two daemons.

- _In_: \`Get…Info\` from people.
- _Out_: nothing yet.

What it decides stands in \`src/core\`; \`src/service.ts\` says when; \`src/daemon.ts\` with what.

Run it alone: \`npm run dev -- ${name}\`. Test it: \`npm test -- ${name}\`.
`;

const main = (): string => `import { runDaemon } from '@tapestry/runtime';
import { definition } from './daemon.ts';

await runDaemon(definition);
`;

const CONFIG = `// Settings of this daemon. A key needs a sentence: who turns it, and when; otherwise it is a constant.

import { z } from 'zod';

export const config = z
  .object({
    /** Below this age the daemon calls itself young: turned by nobody but its test. */
    youngMs: z.coerce.number().int().min(0).default(60_000),
  })
  .strict();

export type Config = z.infer<typeof config>;
`;

const daemon = (
  name: string,
): string => `// Puts the daemon together: the only place that constructs anything with a socket or a file.

import type { DaemonContext, DaemonDefinition } from '@tapestry/runtime';
import { type Config, config } from './config.ts';
import { makeHandlers } from './service.ts';

export const definition = {
  service: '${name}',
  config,
  async start({ config: settings, clock }: DaemonContext<Config>) {
    return { handlers: makeHandlers({ settings, clock, startedMs: clock.nowMs() }) };
  },
} satisfies DaemonDefinition<'${name}', typeof config>;
`;

const service = (name: string): string => {
  const title = name[0]!.toUpperCase() + name.slice(1);
  return `// What is answered to whom: decode, decide, act.

import type { Handlers } from '@tapestry/bus';
import type { Clock } from '@tapestry/runtime';
import type { Config } from './config.ts';
import { describeAge } from './core/age.ts';

export interface Parts {
  readonly settings: Config;
  readonly clock: Clock;
  readonly startedMs: number;
}

export function makeHandlers({ settings, clock, startedMs }: Parts): Handlers<'${name}'> {
  return {
    Get${title}Info: async () => ({
      startedMs: BigInt(startedMs),
      age: describeAge(startedMs, clock.nowMs(), settings.youngMs),
    }),
  };
}
`;
};

const CORE = `// How old is something, in words? Pure: times come in, words go out.

export function describeAge(startedMs: number, nowMs: number, youngMs: number): string {
  const ageMs = Math.max(0, nowMs - startedMs);
  if (ageMs < youngMs) return 'young';
  return \`\${Math.floor(ageMs / 1_000)} s\`;
}
`;

const CORE_TEST = `import { expect, test } from 'vitest';
import { describeAge } from './age.ts';

test.each([
  [1_000, 1_500, 'young'],
  [1_000, 62_000, '61 s'],
  [2_000, 1_000, 'young'],
])('started at %d, now %d: %s', (startedMs, nowMs, words) => {
  expect(describeAge(startedMs, nowMs, 60_000)).toBe(words);
});
`;

const integrationTest = (name: string): string => {
  const title = name[0]!.toUpperCase() + name.slice(1);
  return `// The daemon alone, on a real bus, with its neighbours played by the test.

import { startTestBus, startTestDaemon, type TestBus } from '@tapestry/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { definition } from '../src/daemon.ts';

let bus: TestBus;

beforeAll(async () => {
  bus = await startTestBus();
});

afterAll(() => bus.stop());

test('it is ready and answers', async () => {
  const daemon = await startTestDaemon(definition, bus);
  expect((await fetch(\`\${daemon.httpUrl}/readyz\`)).status).toBe(200);
  const client = (await bus.as({ service: 'cli' })).client('${name}');
  expect((await client.Get${title}Info({})).age).toBe('young');
  await daemon.stop();
});
`;
};
