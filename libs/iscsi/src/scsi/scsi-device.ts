// One logical unit for the drivers: sense decoded, a busy device asked again, and what it did behind our back told.

import { setTimeout as pause } from 'node:timers/promises';
import { IscsiError } from '../iscsi-error.ts';
import { decodeSense, SENSE_KEY, type Sense } from './sense.ts';
import { testUnitReady } from './spc.ts';
import { SCSI_STATUS, type ScsiRequest, type ScsiResult, type ScsiTransport } from './transport.ts';

export interface DeviceOutcome {
  readonly status: number;
  /** Null when the command went well without a remark. */
  readonly sense: Sense | null;
  readonly data: Buffer;
  readonly residualBytes: number;
}

export interface DeviceRequest extends Omit<ScsiRequest, 'nexus'> {
  /** The command changes nothing: a unit attention is noted, and it is sent again. */
  readonly isHarmless?: boolean;
}

const UNIT_ATTENTIONS_MAX = 8;
/**
 * Unit attentions that tell of nothing that a command relies on: log parameters, ALUA state, capacity, clock, inquiry data,
 * device identifier, list of units. The command was not carried out, as with each of them, and may be sent again.
 */
const NEWS = new Set([0x2a02, 0x2a06, 0x2a09, 0x2a10, 0x3f03, 0x3f05, 0x3f0e]);
const BUSY_PAUSE_FIRST_MS = 50;
const BUSY_PAUSE_MAX_MS = 2_000;
const NO_DATA = Buffer.alloc(0);

export class ScsiDevice {
  readonly #transport: ScsiTransport;
  readonly #onUnitAttention: (sense: Sense) => void;
  #nexus: number | undefined;

  /** `onUnitAttention` is told each one, whoever met it. */
  constructor(transport: ScsiTransport, onUnitAttention: (sense: Sense) => void) {
    this.#transport = transport;
    this.#onUnitAttention = onUnitAttention;
  }

  /** Accepts the nexus that stands, or a new one: afterwards commands go there, and to no later one. */
  async attach(timeoutMs: number): Promise<void> {
    this.#nexus = await this.#transport.connect(timeoutMs);
  }

  /** True when the device was reached over a later nexus than ours, or over none. */
  get isDetached(): boolean {
    return this.#nexus !== this.#transport.nexus;
  }

  /** Rejects with `IscsiError`; `nexusLost` until `attach` is called again. */
  async run(request: DeviceRequest): Promise<DeviceOutcome> {
    const { isHarmless = false, ...rest } = request;
    for (let attentions = 0; ; attentions++) {
      const outcome = await this.#whenNotBusy(rest);
      if (outcome.sense?.key !== SENSE_KEY.unitAttention) return outcome;
      this.#onUnitAttention(outcome.sense);
      const mayRepeat = isHarmless || NEWS.has(outcome.sense.code);
      if (!mayRepeat || attentions >= UNIT_ATTENTIONS_MAX) return outcome;
    }
  }

  testUnitReady(timeoutMs: number): Promise<DeviceOutcome> {
    return this.run({ cdb: testUnitReady(), timeoutMs, isHarmless: true });
  }

  /** A busy device has not carried the command out, so it may be sent again. */
  async #whenNotBusy(request: Omit<ScsiRequest, 'nexus'>): Promise<DeviceOutcome> {
    const nexus = this.#nexus;
    if (nexus === undefined) throw new IscsiError('nexusLost', 'the device was not attached');
    const deadlineMs = performance.now() + request.timeoutMs;
    for (let pauseMs = BUSY_PAUSE_FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, BUSY_PAUSE_MAX_MS)) {
      const result = await this.#transport.execute({ ...request, nexus });
      const { status } = result;
      const isBusy = status === SCSI_STATUS.busy || status === SCSI_STATUS.taskSetFull;
      if (!isBusy || performance.now() + pauseMs >= deadlineMs) return outcomeOf(result);
      await pause(pauseMs);
    }
  }
}

function outcomeOf({ status, sense, data, residualBytes }: ScsiResult): DeviceOutcome {
  const decoded = status === SCSI_STATUS.checkCondition ? decodeSense(sense) : null;
  return { status, sense: decoded, data: data ?? NO_DATA, residualBytes };
}
