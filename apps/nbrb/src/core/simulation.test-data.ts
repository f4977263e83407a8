// nbrb's books, its neighbours and the drives in one process, without wires: what a daemon would keep on disk is kept,
// what it would have in memory goes with each crash. The decisions are the real ones; only their surroundings are played.

import assert from 'node:assert';
import type { Holdings, MpxGroup, Pick } from './books.ts';
import type { Offer } from './choice.ts';
import { type DriveSight, isIdle, judgeReport } from './drive-report.ts';
import { isLive, isSilent, onDoubt, onRelease, othersLive } from './life.ts';
import { isWrite, type Need, poolOf, type Waiting } from './need.ts';
import { chooseNext } from './next-volume.ts';
import { type KnownOffer, plan } from './plan.ts';
import { RequestQueue } from './queue.ts';
import { drive, offerOf, option, volume } from './samples.test-data.ts';
import {
  AGE_MS,
  type Held,
  HOSTS,
  type Mount,
  RELEASE_WAIT_MS,
  type Row,
  SCRATCH_FROM,
  T1_MS,
  T2_MS,
  VOLUMES,
} from './simulation-state.test-data.ts';

export class Simulation {
  nowMs = 1_000;
  /** On nbrb's disk. */
  readonly requests = new Map<string, Waiting>();
  readonly grants = new Map<string, Row>();
  readonly holdings = new Map<string, Held>();
  readonly untold = new Set<string>();
  /** In nbrb's memory. */
  #queue = new RequestQueue();
  #known = new Map<string, Offer>();
  /** nbemm: volumes that were assigned for a group, and have nothing written on them. */
  readonly assigned = new Map<string, string>();
  /** nbjm: attempts that are over, and those that run. */
  readonly over = new Set<string>();
  readonly running = new Set<string>();
  readonly served = new Set<string>();
  /** At the media servers. */
  readonly mounts = new Map<string, Mount>();
  readonly up = new Set(['nbrb', 'nbemm', 'm1', 'm2']);
  #serial = 0;

  ask(waiting: Waiting): void {
    this.requests.set(waiting.key, waiting);
    if (this.up.has('nbrb')) this.#queue.add(waiting);
  }

  fail(who: string): void {
    this.up.delete(who);
    if (who !== 'nbrb') return;
    this.#queue = new RequestQueue();
    this.#known = new Map();
  }

  /** A start, with what nbrb asks before it gives anything out. */
  recover(who: string): void {
    if (this.up.has(who)) return;
    this.up.add(who);
    if (who !== 'nbrb') return;
    for (const row of this.grants.values()) if (isLive(row)) row.renewedMs = this.nowMs;
    for (const [key, waiting] of this.requests) {
      if (this.over.has(key)) this.requests.delete(key);
      else this.#queue.add(waiting);
    }
    for (const row of [...this.grants.values()]) if (this.over.has(row.key)) this.release(row.key);
    this.askHosts();
  }

  round(): void {
    if (!this.up.has('nbrb')) return;
    const fresh = new Set<string>();
    const find = (key: string): KnownOffer | undefined => {
      const offer = this.#known.get(key);
      return offer && { offer, fresh: fresh.has(key) };
    };
    const facts = {
      queue: this.#queue,
      holdings: this.#holdings(),
      offers: { find },
      missingMax: 4,
    };
    let found = plan({ ...facts, nowMs: this.nowMs, ageMs: AGE_MS });
    for (let asks = 0; asks < 4 && found.missing.size > 0; asks++) {
      for (const [key, request] of found.missing) {
        this.#known.set(key, this.#offer({ key, request }));
        fresh.add(key);
      }
      found = plan({ ...facts, nowMs: this.nowMs, ageMs: AGE_MS });
    }
    // What nbemm did not answer is not remembered.
    if (!this.up.has('nbemm')) for (const key of fresh) this.#known.delete(key);
    const begun = new Map<string, string>();
    for (const { waiting, picks } of found.grants) this.#give(waiting, picks, begun);
  }

  #holdings(): Holdings {
    const rows = [...this.grants.values()];
    const counted = new Set<string>();
    const jobOf = (group: string): bigint | undefined =>
      rows.find((row) => row.group === group)?.waiting.request.attempt?.jobId;
    return {
      held: [...this.holdings].map(([name, { kind, group, reason }]) => ({
        ...{ kind, name, reason, jobId: jobOf(group) },
      })),
      uses: rows
        .filter(({ state }) => state !== 'lost')
        .map((row) => {
          const writes = isWrite(row.pick.need.request) && !counted.has(row.group);
          counted.add(row.group);
          const counters = row.state === 'releasing' ? [] : row.waiting.request.counters;
          const { storageUnit, mediaServer } = row.pick.option;
          return {
            ...{ counters: counters.map(({ name }) => name), storageUnit, mediaServer, writes },
            epoch: row.epoch,
          };
        }),
      groups: this.#mpxGroups(),
    };
  }

  #mpxGroups(): MpxGroup[] {
    const groups = new Map<string, Row[]>();
    for (const row of this.grants.values()) {
      if (row.mpxMax > 1) groups.set(row.group, [...(groups.get(row.group) ?? []), row]);
    }
    return [...groups].map(([id, rows]) => {
      const { waiting, pick, drive: name, mediaId, mpxMax } = rows[0]!;
      const opening = rows.some(({ state }) => state === 'assigning');
      return {
        ...{ id, jobId: waiting.request.attempt!.jobId, storageUnit: pick.option.storageUnit },
        ...{ pool: poolOf(pick.need.request), retentionLevel: 0, drive: name, mediaId },
        ...{ members: rows.length, max: mpxMax },
        state: rows.every(isLive) ? (opening ? 'opening' : 'open') : 'closed',
      };
    });
  }

  #offer({ request }: Need): Offer {
    if (!this.up.has('nbemm')) return offerOf([], { reasons: ['nbemm could not be asked'] });
    return offerOf(
      Object.entries(HOSTS).map(([host, drives]) =>
        option([], [], {
          ...{ storageUnit: `unit-${host}`, mediaServer: host, maxDrives: 2, maxMpx: 3 },
          drives: drives.map((name) => ({ ...drive(name), mediaServer: host })),
          volumes: VOLUMES.filter((name) => isWrite(request) || name === request.mediaId).map(
            (name) =>
              volume(name, {
                needsAssign: isWrite(request) && VOLUMES.indexOf(name) >= SCRATCH_FROM,
              }),
          ),
        }),
      ),
    );
  }

  #give(waiting: Waiting, picks: readonly Pick[], begun: Map<string, string>): void {
    if (!this.requests.delete(waiting.key)) return;
    this.#queue.remove(waiting.key);
    const assigns = picks.some((pick) => pick.volume?.needsAssign);
    for (const pick of picks) {
      const grantId = `g${++this.#serial}`;
      const join = pick.join && (begun.get(pick.join.id) ?? pick.join.id);
      const shared = join === undefined ? undefined : this.#group(join)[0];
      const name = shared?.drive ?? pick.drive!.name;
      const mediaId = shared?.mediaId ?? pick.volume!.volume!.mediaId;
      const group = join ?? grantId;
      begun.set(waiting.key, grantId);
      this.grants.set(grantId, {
        ...{ grantId, group, key: waiting.key, waiting, pick, drive: name, mediaId },
        ...{ host: pick.option.mediaServer, epoch: BigInt(this.#serial), renewedMs: this.nowMs },
        ...{ state: assigns ? 'assigning' : 'active', releaseMs: 0 },
        needsAssign: pick.volume?.needsAssign ?? false,
        number: 0,
        mpxMax: pick.join?.max ?? Math.min(pick.option.maxMpx, waiting.request.maxMpx),
      });
      if (join !== undefined) continue;
      // The database refuses a second owner; a plan that needs it to was wrong.
      for (const [kind, held] of [
        ['drive', name],
        ['volume', mediaId],
      ] as const) {
        assert(!this.holdings.has(held), `${kind} ${held} has a second owner`);
        const taken = kind === 'volume' && (pick.volume?.needsAssign ?? false);
        this.holdings.set(held, { kind, group, reason: '', number: 0, pending: false, taken });
      }
    }
    if (!assigns) this.untold.add(waiting.key);
  }

  /** nbemm takes the volumes for a grant, or finds that one has changed. */
  assign(row: Row, changed: boolean): void {
    if (!this.up.has('nbrb') || !this.up.has('nbemm') || row.state !== 'assigning') return;
    const all = this.#rowsOf(row.key);
    if (changed) {
      for (const each of all) this.#freeGroup(each.group);
      this.ask(row.waiting);
      if (this.over.has(row.key)) this.requests.delete(row.key);
      return;
    }
    if (row.needsAssign) this.assigned.set(row.mediaId, row.group);
    row.needsAssign = false;
    if (all.some((each) => each.needsAssign)) return;
    for (const each of all) Object.assign(each, { state: 'active', renewedMs: this.nowMs });
    this.untold.add(row.key);
  }

  /** nbjm hears of its grants, and starts the run, or hands back what comes too late. */
  tell(key: string): void {
    if (!this.up.has('nbrb') || !this.untold.delete(key)) return;
    this.served.add(key);
    if (this.over.has(key)) this.release(key);
    else this.running.add(key);
  }

  mount(row: Row): void {
    if (!this.running.has(row.key) || row.state !== 'active' || !this.up.has(row.host)) return;
    const mounted = this.mounts.get(row.drive);
    if (mounted?.group === row.group) {
      if (mounted.writers.size > 0) mounted.writers.set(row.grantId, this.nowMs);
      return;
    }
    if (mounted !== undefined) {
      // Fenced: ltid refuses while somebody else's mount stands. This must never be a mount that is used.
      assert(mounted.writers.size === 0, `${row.drive} is in use`);
      return;
    }
    for (const each of this.mounts.values()) {
      assert(each.mediaId !== row.mediaId || each.writers.size === 0, `${row.mediaId} is in use`);
    }
    const { drive: name, mediaId, group } = row;
    const writers = new Map([[row.grantId, this.nowMs]]);
    this.mounts.set(name, { drive: name, mediaId, group, writers });
  }

  /** The image goes on: the writer or reader asks for its next volume. */
  askNext(row: Row, wanted: string): void {
    if (!this.up.has('nbrb') || !this.up.has('nbemm') || !this.#isWriting(row)) return;
    const own = [...this.holdings].filter(
      ([, { group, kind }]) => group === row.group && kind === 'volume',
    );
    if (own.some(([, { pending }]) => pending)) return;
    const writes = isWrite(row.pick.need.request);
    const names = writes
      ? VOLUMES.filter((name) => !own.some(([each]) => each === name))
      : [wanted];
    const choice = chooseNext({
      offered: names.map((name) =>
        volume(name, { needsAssign: writes && VOLUMES.indexOf(name) >= SCRATCH_FROM }),
      ),
      ...{ reasons: [], group: row.group, writes, waiting: [...this.requests.values()] },
      held: [...this.holdings]
        .filter(([, { kind }]) => kind === 'volume')
        .map(([name, { group, reason }]) => ({ name, group, reason, jobId: 1n })),
    });
    if ('reasons' in choice) return;
    const mediaId = choice.volume.volume!.mediaId;
    const number = row.number + 1;
    const { needsAssign } = choice.volume;
    const held = this.holdings.get(mediaId);
    if (held !== undefined) held.number = number;
    else {
      const entry = { kind: 'volume' as const, group: row.group, reason: '', number };
      this.holdings.set(mediaId, { ...entry, pending: needsAssign, taken: needsAssign });
    }
    if (!needsAssign) this.#putInto(row.group, mediaId, number);
  }

  /** nbemm takes the next volume of a group, or finds that it has changed. */
  assignNext(mediaId: string, changed: boolean): void {
    const held = this.holdings.get(mediaId);
    if (!this.up.has('nbrb') || !this.up.has('nbemm') || !held?.pending) return;
    if (changed) {
      this.holdings.delete(mediaId);
      return;
    }
    this.assigned.set(mediaId, held.group);
    held.pending = false;
    this.#putInto(held.group, mediaId, held.number);
  }

  #putInto(group: string, mediaId: string, number: number): void {
    for (const row of this.#group(group)) Object.assign(row, { mediaId, number });
  }

  /** Its host takes the volume before out of the drive, and brings the next. */
  exchange(row: Row): void {
    const mount = this.mounts.get(row.drive);
    if (!this.up.has(row.host) || !this.#isWriting(row) || mount?.mediaId === row.mediaId) return;
    for (const each of this.mounts.values()) {
      assert(each.mediaId !== row.mediaId || each.writers.size === 0, `${row.mediaId} is in use`);
    }
    mount!.mediaId = row.mediaId;
  }

  #isWriting(row: Row): boolean {
    return row.state === 'active' && this.mounts.get(row.drive)?.writers.has(row.grantId) === true;
  }

  renew(): void {
    for (const { writers } of this.mounts.values()) {
      for (const grantId of writers.keys()) {
        const row = this.grants.get(grantId);
        if (!this.up.has('nbrb') || (row !== undefined && !this.up.has(row.host))) continue;
        if (row?.state !== 'active') writers.delete(grantId);
        else {
          row.renewedMs = this.nowMs;
          writers.set(grantId, this.nowMs);
        }
      }
    }
  }

  pass(ms: number): void {
    this.nowMs += ms;
    for (const { writers } of this.mounts.values()) {
      for (const [grantId, at] of writers) if (this.nowMs - at > T1_MS) writers.delete(grantId);
    }
  }

  killWriters(name: string): void {
    this.mounts.get(name)?.writers.clear();
  }

  /** A job ends, however: nbjm gives back. A writer whose host cannot be told goes on until its lease is over. */
  end(key: string): void {
    this.over.add(key);
    this.running.delete(key);
    for (const row of this.#rowsOf(key)) {
      if (this.up.has(row.host)) this.mounts.get(row.drive)?.writers.delete(row.grantId);
    }
    if (this.up.has('nbrb')) this.release(key);
  }

  release(key: string): void {
    this.requests.delete(key);
    this.#queue.remove(key);
    for (const row of this.#rowsOf(key)) {
      const group = this.#group(row.group);
      const what = onRelease(row, group);
      if (what === 'free') this.#freeGroup(row.group);
      else if (what === 'leave') this.grants.delete(row.grantId);
      else if (what === 'confirm')
        Object.assign(row, { state: 'releasing', releaseMs: this.nowMs });
    }
  }

  /** The release effects, each as often as it likes. */
  confirmReleases(): void {
    if (!this.up.has('nbrb')) return;
    for (const row of [...this.grants.values()]) {
      if (row.state !== 'releasing' || !this.grants.has(row.grantId)) continue;
      if (this.up.has(row.host) && this.#isIdle(row)) {
        if (othersLive(row, this.#group(row.group))) this.grants.delete(row.grantId);
        else this.#freeGroup(row.group);
      } else if (onDoubt(row.releaseMs, this.nowMs, RELEASE_WAIT_MS) === 'unknown') {
        this.#makeUnknown(row, 'its host cannot say that it is idle');
      }
    }
  }

  #isIdle({ host, drive: name, group }: Row): boolean {
    const members = this.#group(group).map(({ grantId }) => grantId);
    return isIdle(this.#sights(host), name, [group, ...members]);
  }

  loseSilent(): void {
    if (!this.up.has('nbrb')) return;
    for (const row of [...this.grants.values()]) {
      if (!isSilent(row, this.nowMs, T2_MS)) continue;
      const writer = this.mounts.get(row.drive)?.writers.has(row.grantId);
      assert(!writer, 'a writer lives that nbrb calls lost');
      this.#makeUnknown(row, 'its writer was not heard of');
      this.end(row.key);
    }
  }

  /** A media server cleans up after dead writers. */
  sweep(host: string): void {
    if (!this.up.has(host)) return;
    for (const name of HOSTS[host]!) {
      if (this.mounts.get(name)?.writers.size === 0) this.mounts.delete(name);
    }
  }

  askHosts(): void {
    if (!this.up.has('nbrb')) return;
    for (const [host, drives] of Object.entries(HOSTS)) {
      if (!this.up.has(host)) continue;
      const entries = drives.flatMap((name) => {
        const held = this.holdings.get(name);
        return held ? [{ drive: name, group: held.group, members: this.#group(held.group) }] : [];
      });
      const { freeGroups, strangers, arrived } = judgeReport(entries, this.#sights(host));
      for (const group of freeGroups) this.#freeGroup(group);
      for (const { group, mediaId } of arrived) {
        const now = this.holdings.get(mediaId);
        if (now?.group !== group) continue;
        this.#freeHoldings(
          (held) => held.group === group && held.number < now.number && held.kind === 'volume',
        );
      }
      for (const { drive: name } of strangers) {
        // Somebody whom the books do not know is in the drive: only ever a mount that nobody writes to.
        assert(this.mounts.get(name)?.writers.size === 0, `${name} is written without a grant`);
      }
    }
  }

  /** What must hold after every step. */
  check(): void {
    for (const { drive: name, mediaId, group, writers } of this.mounts.values()) {
      if (writers.size === 0) continue;
      for (const held of [name, mediaId]) {
        assert(this.holdings.get(held)?.group === group, `${held} is in use and not held`);
      }
    }
    for (const [name, { group, reason }] of this.holdings) {
      const members = this.#group(group);
      assert(members.length > 0, `${name} is held by nobody`);
      const settled = members.some((each) => each.state !== 'lost');
      assert(settled || reason !== '', `${name} is unknown, and does not say why`);
    }
    for (const row of this.grants.values()) {
      for (const name of [row.drive, row.mediaId]) {
        assert(this.holdings.get(name)?.group === row.group, `${name} was given twice`);
      }
    }
  }

  #rowsOf(key: string): Row[] {
    return [...this.grants.values()].filter((row) => row.key === key);
  }

  #group(group: string): Row[] {
    return [...this.grants.values()].filter((row) => row.group === group);
  }

  #freeGroup(group: string): void {
    for (const row of this.#group(group)) this.grants.delete(row.grantId);
    this.#freeHoldings((held) => held.group === group);
  }

  #freeHoldings(which: (held: Held) => boolean): void {
    for (const [name, held] of this.holdings) {
      if (!which(held)) continue;
      this.holdings.delete(name);
      if (held.taken && this.assigned.get(name) === held.group) this.assigned.delete(name);
    }
  }

  #makeUnknown(row: Row, reason: string): void {
    row.state = 'lost';
    if (othersLive(row, this.#group(row.group))) return;
    for (const held of this.holdings.values()) if (held.group === row.group) held.reason = reason;
  }

  #sights(host: string): DriveSight[] {
    return HOSTS[host]!.map((name) => {
      const mount = this.mounts.get(name);
      const holder = mount?.group ?? '';
      const mediaId = mount?.mediaId ?? '';
      return { drive: name, holder, holderJobId: 0n, mediaId, unsure: false, mounted: true };
    });
  }
}
