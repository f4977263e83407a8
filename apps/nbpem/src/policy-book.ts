// The policies and the newest backup of each target, as bpdbm tells them: read at start, after a change, and at the
// update interval. While bpdbm is away the last ones known stay good.

import type { Bus } from '@tapestry/bus';
import type { ImageRow, ImageValidated, Policy } from '@tapestry/contracts';
import type { LastBackup } from './core/due.ts';
import { targetKey } from './core/plan.ts';

const PAGE = 1_000;
/** Older images count for no schedule: twice the longest frequency, and a little. */
const LOOK_BACK = 2.1;

type Validated = Pick<
  ImageValidated,
  'policy' | 'schedule' | 'client' | 'path' | 'scheduleType' | 'backupTimeS'
>;

export class PolicyBook {
  readonly #bus: Bus;
  readonly #updateMs: number;
  #policies: readonly Policy[] = [];
  readonly #history = new Map<string, LastBackup[]>();
  #readMs = 0;
  #stale = true;
  /** Policies whose images were read: one that is made active later has a history of its own. */
  readonly #historyRead = new Set<string>();
  #isComplete = false;

  constructor(bus: Bus, updateMs: number) {
    this.#bus = bus;
    this.#updateMs = updateMs;
  }

  get policies(): readonly Policy[] {
    return this.#policies;
  }

  get history(): ReadonlyMap<string, readonly LastBackup[]> {
    return this.#history;
  }

  /** False until policies and history were read once: nothing is due on half the facts. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  find(name: string): Policy | undefined {
    return this.#policies.find((policy) => policy.name === name);
  }

  markStale(): void {
    this.#stale = true;
  }

  /** Reads what is out of date. Errors: those of the bus and of bpdbm; what was known stays. */
  async refresh(nowMs: number): Promise<void> {
    if (!this.#stale && nowMs - this.#readMs < this.#updateMs) return;
    this.#stale = false;
    try {
      const { policies } = await this.#bus.client('bpdbm').ListPolicies({ inactiveToo: false });
      await this.#readHistory(policies, nowMs);
      this.#policies = policies;
      this.#isComplete = true;
      this.#readMs = nowMs;
    } catch (error) {
      this.#stale = true;
      throw error;
    }
  }

  note(image: Validated): void {
    const key = targetKey(image.policy, image.client, image.path);
    const list = this.#history.get(key) ?? [];
    const atMs = Number(image.backupTimeS) * 1_000;
    const known = list.find((last) => last.schedule === image.schedule);
    if (known !== undefined && known.atMs >= atMs) return;
    const others = list.filter((last) => last !== known);
    const last = { schedule: image.schedule, type: image.scheduleType, atMs };
    this.#history.set(key, [...others, last]);
  }

  async #readHistory(policies: readonly Policy[], nowMs: number): Promise<void> {
    for (const policy of policies) {
      if (this.#historyRead.has(policy.name)) continue;
      const longestS = Math.max(0, ...policy.schedules.map((schedule) => schedule.frequencyS));
      const startS = Math.max(0, Math.floor(nowMs / 1_000 - longestS * LOOK_BACK));
      for (const image of await this.#imagesOf(policy.name, startS)) this.note(image);
      this.#historyRead.add(policy.name);
    }
  }

  async #imagesOf(policy: string, startS: number): Promise<ImageRow[]> {
    const images: ImageRow[] = [];
    let endS = 0n;
    for (;;) {
      const page = await this.#bus
        .client('bpdbm')
        .ListImages({ policy, startS: BigInt(startS), endS, limit: PAGE });
      images.push(...page.images);
      if (!page.more || page.images.length === 0) return images;
      const oldestS = BigInt(Math.min(...page.images.map((image) => Number(image.backupTimeS))));
      // The oldest second again: others of it may be on the next page. Only where that got nowhere, the one before.
      endS = endS === 0n || oldestS < endS ? oldestS : endS - 1n;
    }
  }
}
