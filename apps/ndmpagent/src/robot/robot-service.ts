// Robots that hang on NDMP hosts, for this host's ltid: each question and each move has a connection of its own, because one
// connection holds a tape or a changer and not both, and because others may need the changer in between.

import type { Handlers } from '@tapestry/bus';
import type { Init, RobotElement, UseRobotReply, UseRobotRequest } from '@tapestry/contracts';
import { openMediaChanger } from '@tapestry/iscsi';
import { isRefusal, NDMP_ERROR } from '@tapestry/ndmp';
import { pause } from '@tapestry/runtime/until-answered';
import { StatusError } from '@tapestry/status';
import type { Library, LibraryElement } from '@tapestry/storage';
import { fetchAccess } from '../adapters/credential.ts';
import { callFailure } from '../core/outcome.ts';
import type { Filer } from '../filer.ts';
import type { AgentParts } from '../session-context.ts';
import { openWithin } from '../session-filer.ts';
import { NdmpScsiTransport } from './ndmp-scsi-transport.ts';

/** An answer is kept for repeats that come late. */
const KEEP_MS = 120_000;
/** More at once than a host has robots and drives means that somebody asks without end. */
const UNDER_WAY_MAX = 64;
/** Somebody else has the changer open for the length of a move. */
const BUSY_MAX_MS = 120_000;
const BUSY_LOOK_MS = 500;

export class RobotService {
  readonly #parts: AgentParts;
  readonly #answers = new Map<string, Promise<Init<UseRobotReply>>>();
  #underWay = 0;

  constructor(parts: AgentParts) {
    this.#parts = parts;
  }

  handlers(): Pick<Handlers<'ndmpagent'>, 'UseRobot'> {
    return { UseRobot: (request) => this.#answer(request) };
  }

  #answer(request: UseRobotRequest): Promise<Init<UseRobotReply>> {
    const { key, ndmpHost, device } = request;
    if (key === '' || ndmpHost === '' || device === '') {
      throw new StatusError('invalidRequest', 'the question names no key, NDMP host or changer');
    }
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    if (this.#underWay >= UNDER_WAY_MAX) {
      throw new StatusError('resourcesBusy', 'too much is asked of robots on NDMP hosts');
    }
    const answer = this.#use(request);
    this.#answers.set(key, answer);
    this.#underWay += 1;
    const done = (): void => {
      this.#underWay -= 1;
      setTimeout(() => this.#answers.delete(key), KEEP_MS).unref();
    };
    answer.then(done, done);
    return answer;
  }

  async #use(request: UseRobotRequest): Promise<Init<UseRobotReply>> {
    const { config, stopping } = this.#parts;
    const { operation, from, to } = request;
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(config.robotTimeoutMs)]);
    return this.#withChanger(request, signal, async (library) => {
      switch (operation) {
        case 'ROBOT_OPERATION_INVENTORY':
          return replyOf(library, await library.inventory());
        case 'ROBOT_OPERATION_RESCAN':
          return replyOf(library, await library.rescan());
        case 'ROBOT_OPERATION_MOVE':
          await library.move(from, to);
          return {};
        default:
          throw new StatusError('invalidRequest', `${operation} is nothing that a robot does`);
      }
    });
  }

  async #withChanger<T>(
    { ndmpHost: host, device, robotNumber, key }: UseRobotRequest,
    signal: AbortSignal,
    work: (library: Library) => Promise<T>,
  ): Promise<T> {
    const { nbemm, config } = this.#parts;
    const access = await fetchAccess(nbemm, { robotNumber }, host, signal);
    const ask = { host, access, handlers: {}, signal, sessionName: `robot ${key}` };
    const filer = await openWithin(this.#parts, ask);
    try {
      await openWhenFree(filer, host, device, signal);
      const transport = new NdmpScsiTransport(filer.client, signal);
      const result = await work(await openMediaChanger({ transport }));
      await filer.client.scsi.close({ timeoutMs: config.callTimeoutMs }).catch(() => undefined);
      return result;
    } finally {
      filer.client.close();
      setTimeout(() => filer.socket.destroy(), config.abortTimeoutMs).unref();
    }
  }
}

async function openWhenFree(
  { client }: Filer,
  host: string,
  device: string,
  signal: AbortSignal,
): Promise<void> {
  const endMs = performance.now() + BUSY_MAX_MS;
  for (;;) {
    try {
      return await client.scsi.open(device, { signal });
    } catch (error) {
      if (!isRefusal(error, NDMP_ERROR.deviceBusy) || performance.now() > endMs) {
        const { detail } = callFailure(error, { host, doing: `open its changer ${device}` });
        throw new StatusError('robotMissing', detail, {}, { cause: error });
      }
    }
    await pause(BUSY_LOOK_MS, signal);
    signal.throwIfAborted();
  }
}

async function replyOf(
  library: Library,
  elements: readonly LibraryElement[],
): Promise<Init<UseRobotReply>> {
  return { ...(await library.identity()), elements: elements.map(elementOf) };
}

function elementOf(element: LibraryElement): Init<RobotElement> {
  const { address, type, index, full, accessible } = element;
  const { barcode, sourceAddress, driveSerial } = element;
  return {
    ...{ address, type, index, full, accessible, barcode: barcode ?? '' },
    ...{ sourceAddress: sourceAddress ?? 0, hasSource: sourceAddress !== null },
    driveSerial: driveSerial ?? '',
  };
}
