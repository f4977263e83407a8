// A shell whose daemons are fakes: a test says what they answer, and reads what they were asked.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Handlers } from '@tapestry/bus';
import { SERVICES, type ServiceName } from '@tapestry/contracts';
import { type FakeService, fakeService } from '@tapestry/testkit';
import { HOST, type Shell, startShell } from './fixture.ts';

export interface FakedShell extends Shell {
  /** A folder for files that commands read or write. */
  readonly dir: string;
  answer<S extends ServiceName>(service: S, handlers: Partial<Handlers<S>>): void;
  /** The last request of a method. */
  asked(service: ServiceName, method: string): unknown;
}

export async function startFakedShell(services: readonly ServiceName[]): Promise<FakedShell> {
  const shell = await startShell();
  const dir = mkdtempSync(join(tmpdir(), 'tapestry-cli-'));
  const fakes = new Map<ServiceName, FakeService<ServiceName>>();
  for (const service of services) {
    const { perHost } = SERVICES[service];
    const bus = await shell.testBus.as(perHost ? { service, host: HOST } : { service });
    fakes.set(service, await fakeService<ServiceName>(bus, service));
  }
  const fake = (service: ServiceName): FakeService<ServiceName> => {
    const found = fakes.get(service);
    if (found === undefined) throw new Error(`this test file fakes no ${service}`);
    return found;
  };
  return {
    ...shell,
    dir,
    answer: (service, handlers) => fake(service).answer(handlers as never),
    asked: (service, method) =>
      fake(service)
        .calls.filter((call) => call.method === method)
        .at(-1)?.request,
    stop: async () => {
      await shell.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
