// A neighbour that a test plays: real calls over the real bus, answered by the test and kept for it to look at.

import type { Bus, Call, Handlers, Server } from '@tapestry/bus';
import { SERVICES, type ServiceName, type Services } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';

export interface RecordedCall {
  readonly method: string;
  readonly request: unknown;
  readonly call: Call;
}

export interface FakeService<S extends ServiceName> {
  readonly calls: readonly RecordedCall[];
  /** Requests of one method, oldest first. */
  requests<M extends keyof Services[S]>(
    method: M,
  ): (Services[S][M] extends { request: infer R } ? R : never)[];
  /** Resolves with the request that makes `count` of this method, rejects after timeoutMs. */
  waitFor<M extends keyof Services[S]>(
    method: M,
    options?: { readonly count?: number; readonly timeoutMs?: number },
  ): Promise<Services[S][M] extends { request: infer R } ? R : never>;
  /** Answers from now on with these. */
  answer(handlers: Partial<Handlers<S>>): void;
  stop(): Promise<void>;
}

/** `bus` is a connection as the faked service. Methods without a handler are refused with 16. */
export async function fakeService<S extends ServiceName>(
  bus: Bus,
  service: S,
  handlers: Partial<Handlers<S>> = {},
): Promise<FakeService<S>> {
  const calls: RecordedCall[] = [];
  const waiters = new Set<() => void>();
  let current: Partial<Handlers<S>> = handlers;
  const table: Record<string, unknown> = {};
  for (const method of Object.keys(SERVICES[service].methods)) {
    table[method] = async (request: never, call: Call): Promise<unknown> => {
      calls.push({ method, request, call });
      for (const wake of waiters) wake();
      const handler = current[method as keyof Handlers<S>] as
        | ((request: unknown, call: Call) => Promise<unknown>)
        | undefined;
      if (handler === undefined)
        throw new StatusError('notImplemented', `fake ${service}.${method}`);
      return handler(request, call);
    };
  }
  const server: Server = await bus.serve(service, table as unknown as Handlers<S>);
  const requests = (method: string): never[] =>
    calls.filter((each) => each.method === method).map((each) => each.request as never);
  return {
    calls,
    requests: (method) => requests(method as string),
    waitFor: (method, { count = 1, timeoutMs = 30_000 } = {}) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const found = requests(method as string);
          if (found.length < count) return;
          finish();
          resolve(found[count - 1]!);
        };
        const finish = (): void => {
          waiters.delete(check);
          clearTimeout(timer);
        };
        const timer = setTimeout(() => {
          finish();
          const seen = calls.map((each) => each.method).join(', ') || 'nothing';
          reject(new Error(`no call ${count} of ${service}.${String(method)}; seen: ${seen}`));
        }, timeoutMs);
        waiters.add(check);
        check();
      }),
    answer: (next) => {
      current = { ...current, ...next };
    },
    stop: () => server.stop(),
  };
}
