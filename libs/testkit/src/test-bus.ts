// A real bus for one test file, with the users and rights that the contracts give.

import {
  authorizationConfig,
  type Bus,
  type BusUser,
  connectBus,
  PROVISION_USER,
  provisionStreams,
} from '@tapestry/bus';
import { callerToken, type Identity, SERVICES, type ServiceName } from '@tapestry/contracts';
import { startTestNats, type TestNats } from './nats-server.ts';
import { testLog } from './test-log.ts';

export interface TestBus {
  readonly url: string;
  /** A connection as this identity; closed with the bus. */
  as(identity: Identity): Promise<Bus>;
  /** The password of a user, for tests that connect by themselves. */
  passwordOf(identity: Identity): string;
  /** Brings streams and durables to the contracts' plan: wanted again when the store was emptied. */
  provision(): Promise<void>;
  restart(): Promise<void>;
  /** SIGKILL, as a crash does; restart() brings it back with what it had stored. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

export interface TestBusOptions {
  /** Media servers that have users; media1 and media2 when left out. */
  readonly hosts?: readonly string[];
}

const passwordOf = (identity: Identity): string => `test-${callerToken(identity)}`;

export async function startTestBus(options: TestBusOptions = {}): Promise<TestBus> {
  const hosts = options.hosts ?? ['media1', 'media2'];
  const users = allIdentities(hosts).map(
    (identity): BusUser => ({ identity, password: passwordOf(identity) }),
  );
  const provisionPassword = passwordOf(PROVISION_USER);
  const server: TestNats = await startTestNats({
    config: authorizationConfig(users, provisionPassword),
  });
  const open: Bus[] = [];
  const provision = (): Promise<void> =>
    provisionStreams({ url: server.url, password: provisionPassword });
  await provision();
  return {
    url: server.url,
    passwordOf,
    provision,
    as: async (identity) => {
      const bus = await connectBus({
        identity,
        url: server.url,
        password: passwordOf(identity),
        log: testLog,
      });
      open.push(bus);
      return bus;
    },
    restart: () => server.restart(),
    kill: () => server.kill(),
    stop: async () => {
      await Promise.all(open.map((bus) => bus.close().catch(() => undefined)));
      await server.stop();
    },
  };
}

/** Every service (once a host where it is so), the console and the commands. */
export function allIdentities(hosts: readonly string[]): Identity[] {
  const services = (Object.keys(SERVICES) as ServiceName[]).flatMap((service): Identity[] =>
    SERVICES[service].perHost ? hosts.map((host) => ({ service, host })) : [{ service }],
  );
  return [...services, { service: 'console' }, { service: 'cli' }];
}
