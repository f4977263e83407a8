// What bptm orders of a session's mover, in the order that the versions want, and its end from whatever state it is in.

import type { Address, MoverOrder, TapeCallReply, TapeCallRequest } from '@tapestry/contracts';
import {
  ADDR_TYPE,
  isRefusal,
  MOVER_MODE,
  MOVER_STATE,
  NDMP_ERROR,
  type NdmpAddress,
  type NdmpClient,
} from '@tapestry/ndmp';
import { pause } from '@tapestry/runtime/until-answered';
import { StatusError } from '@tapestry/status';
import type { MoverWatch } from './mover-watch.ts';
import { EMPTY_REPLY } from './tape-calls.ts';

export interface MoverOrdersParts {
  readonly client: NdmpClient;
  readonly timeoutMs: number;
  readonly watch: MoverWatch;
}

const STOP_LOOKS = 50;
const STOP_LOOK_MS = 100;

export class MoverOrders {
  readonly #parts: MoverOrdersParts;

  constructor(parts: MoverOrdersParts) {
    this.#parts = parts;
  }

  /** Undefined for an operation that is the drive's. */
  async perform({ operation, mover }: TapeCallRequest): Promise<TapeCallReply | undefined> {
    switch (operation) {
      case 'TAPE_OPERATION_MOVER_LISTEN':
        return { ...EMPTY_REPLY, addresses: await this.#listen(named(mover)) };
      case 'TAPE_OPERATION_MOVER_CONTINUE':
        await this.#continue(named(mover));
        return EMPTY_REPLY;
      case 'TAPE_OPERATION_MOVER_READ':
        await this.#read(named(mover));
        return EMPTY_REPLY;
      case 'TAPE_OPERATION_MOVER_STOP':
        await this.stop();
        return EMPTY_REPLY;
      default:
        return undefined;
    }
  }

  /** Brings the mover back to idle; never fails: what is left of it ends with the connection. */
  async stop(): Promise<void> {
    const { client, watch } = this.#parts;
    const { mover } = client;
    const options = { timeoutMs: this.#parts.timeoutMs };
    // That it halted was the news: it need not be asked for first.
    if (watch.now.state === 'halted') await mover.stop(options).catch(() => undefined);
    for (let looks = 0; looks < STOP_LOOKS && !client.isClosed; looks += 1) {
      // Most movers are idle as soon as they have answered.
      if (looks > 1) await pause(STOP_LOOK_MS, new AbortController().signal);
      try {
        const { state } = await mover.getState(options);
        if (state === MOVER_STATE.idle) break;
        if (state === MOVER_STATE.halted) await mover.stop(options);
        else if (state === MOVER_STATE.paused) {
          await mover.close(options).catch(() => mover.abort(options));
        } else await mover.abort(options);
      } catch {
        // It changed meanwhile: the next look says to what.
      }
    }
    watch.ordered();
    if (!client.isClosed) await this.#look().catch(() => undefined);
  }

  async #listen({ writes, local, recordBytes, windowOffset, windowLength }: MoverOrder) {
    const { client, timeoutMs, watch } = this.#parts;
    watch.ordered();
    const address = await client.mover.prepareListen(
      {
        // In NDMP's words a mover that reads its connection writes its tape.
        mode: writes ? MOVER_MODE.read : MOVER_MODE.write,
        addressType: local ? ADDR_TYPE.local : ADDR_TYPE.tcp,
        recordSizeBytes: recordBytes,
        window: { offset: windowOffset, length: windowLength },
      },
      { timeoutMs },
    );
    await this.#look();
    return local ? [] : addressesOf(address);
  }

  async #continue({ windowOffset, windowLength }: MoverOrder): Promise<void> {
    const { client, timeoutMs, watch } = this.#parts;
    const window = { offset: windowOffset, length: windowLength };
    await unlessOvertaken(async () => {
      await client.mover.setWindow(window, { timeoutMs });
      watch.ordered();
      await client.mover.continue({ timeoutMs });
    });
    await this.#look();
  }

  /** One at a time: the caller waits until nothing is left of the order before. */
  async #read({ readOffset: offset, readLength: length }: MoverOrder): Promise<void> {
    const { client, timeoutMs } = this.#parts;
    await unlessOvertaken(() => client.mover.read({ offset, length }, { timeoutMs }));
    await this.#look();
  }

  /** Whoever watches from now on sees a state from after the order, never the pause that it ended. */
  #look(): Promise<void> {
    const { client, timeoutMs, watch } = this.#parts;
    return watch.look(client, AbortSignal.timeout(timeoutMs));
  }
}

/** A pause or the end may be faster than an order (draft, 3.7): what came of it, the state says. */
async function unlessOvertaken(order: () => Promise<void>): Promise<void> {
  try {
    await order();
  } catch (error) {
    if (!isRefusal(error, NDMP_ERROR.illegalState)) throw error;
  }
}

function named(order: MoverOrder | null): MoverOrder {
  if (order === null) throw new StatusError('invalidRequest', 'the mover is told nothing to do');
  return order;
}

function addressesOf(address: NdmpAddress): Address[] {
  if (address.type !== 'tcp' || address.endpoints.length === 0) {
    throw new StatusError('ndmpFailed', 'the tape host offers no TCP address of its mover');
  }
  return address.endpoints.map(({ host, port }) => ({ host, port }));
}
