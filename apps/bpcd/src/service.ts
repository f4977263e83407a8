// bpcd on the bus: checks each start and passes it to this host's own bpbrm; makes the host known at nbemm.

import type { KeyObject } from 'node:crypto';
import type { Bus, Handlers } from '@tapestry/bus';
import { codec, verifyStart } from '@tapestry/contracts';
import type { Clock, Logger } from '@tapestry/runtime';
import { VERSION } from '@tapestry/runtime';
import { untilAnswered } from '@tapestry/runtime/until-answered';
import { checkLaunch } from './core/launch.ts';

export interface Parts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly host: string;
  readonly ticketKey: KeyObject;
}

export function makeHandlers({ bus, clock, log, host, ticketKey }: Parts): Handlers<'bpcd'> {
  const bpbrm = bus.client('bpbrm', host);
  return {
    Start: async (request, call) => {
      verifyStart(ticketKey, request, clock.nowMs());
      const run = codec('RunSpec').decode(request.runSpec);
      checkLaunch({ run, caller: call.caller.service, host });
      await bpbrm.StartRun({ run }, { signal: call.signal });
      const attempt = run.grant?.attempt;
      log.info(
        { jobId: attempt?.jobId, try: attempt?.try, step: attempt?.step },
        'start passed on',
      );
      return {};
    },
  };
}

/** Tells nbemm that this host serves, until it is answered or the daemon stops. Never rejects. */
export async function registerHost(
  { bus, log, host }: Pick<Parts, 'bus' | 'log' | 'host'>,
  stopping: AbortSignal,
): Promise<void> {
  try {
    const nbemm = bus.client('nbemm');
    await untilAnswered(
      (signal) => nbemm.RegisterMediaServer({ name: host, version: VERSION }, { signal }),
      {
        signal: stopping,
        isAnswer: () => false,
        onFailure: (error, failures) => {
          if (failures % 10 === 1) log.warn({ err: error }, 'not yet known to nbemm');
        },
      },
    );
    log.info({ host }, 'known to nbemm');
  } catch (error) {
    if (!stopping.aborted) log.error({ err: error }, 'the host was not made known to nbemm');
  }
}
