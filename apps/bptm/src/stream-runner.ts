// One stream at work: saves each change before it acts on it, then performs the effects. All waiting for ltid, nbemm and
// the drive process happens here, and all of it ends.

import type { Bus, Client } from '@tapestry/bus';
import type { EnvVar, OpenStreamRequest } from '@tapestry/contracts';
import type { IscsiPlace } from '@tapestry/iscsi';
import type { Clock, Logger } from '@tapestry/runtime';
import { tellDetail, VERSION } from '@tapestry/runtime';
import { attemptKey, type Lease } from '@tapestry/runtime/fence';
import { untilAnswered } from '@tapestry/runtime/until-answered';
import { Watched } from '@tapestry/runtime/watched';
import { asStatusError, StatusError } from '@tapestry/status';
import { diskHold } from './adapters/disk-hold.ts';
import type { DrivePool, DriveProcess } from './adapters/drive-pool.ts';
import { keptVolumes } from './adapters/kept-volumes.ts';
import { peersOf, resolve } from './adapters/peer-lookup.ts';
import { kindOf, type StoredStream, type StreamStore } from './adapters/stream-store.ts';
import { type Hold, tapeHold } from './adapters/tape-hold.ts';
import type { Config } from './config.ts';
import { keyed } from './core/exchange.ts';
import {
  diskOf,
  FIRST_COPY,
  isLabel,
  type MoverDevice,
  moverDeviceOf,
  ndmpHostOf,
  orderOf,
} from './core/orders.ts';
import { addressToBind } from './core/peers.ts';
import {
  isOver,
  NEW_STREAM,
  type Stream,
  type StreamEffect,
  type StreamEvent,
  step,
} from './core/stream.ts';
import { LeaseRenewer } from './lease-renewer.ts';
import { LetterBox } from './letter-box.ts';
import { MoverDrive } from './mover/mover-drive.ts';
import { nextVolume, type VolumeQuestion } from './next-volume.ts';
import type { SharedDrive } from './shared-drive.ts';
import type { SharedDrives } from './shared-drives.ts';

export interface RunnerParts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly host: string;
  readonly iscsi: IscsiPlace;
  readonly config: Readonly<Config>;
  readonly store: StreamStore;
  readonly pool: DrivePool;
  readonly shared: SharedDrives;
  /** Aborts when the daemon stops: nothing is told any more, all is taken up at the next start. */
  readonly stopping: AbortSignal;
}

export class StreamRunner {
  readonly lease: Lease;
  readonly key: string;
  readonly watched: Watched<Stream>;
  readonly #parts: RunnerParts;
  #request: OpenStreamRequest;
  /** Undefined: the stream has its drive alone. */
  readonly #shared: SharedDrive | undefined;
  readonly #hold: Hold;
  readonly #nbemm: Client<'nbemm'>;
  readonly #renewer: LeaseRenewer;
  readonly #letters: LetterBox;
  /** Ends what this stream waits for once it is over. */
  readonly #ended = new AbortController();
  #process: DriveProcess | undefined;
  #mountOpen: boolean;
  #finishEnv: readonly EnvVar[] = [];

  constructor(
    parts: RunnerParts,
    stored: Pick<StoredStream, 'request' | 'lease'> & Partial<StoredStream>,
  ) {
    this.#parts = parts;
    this.#request = stored.request;
    this.lease = stored.lease;
    this.key = attemptKey(stored.lease.attempt);
    this.watched = new Watched(stored.stream ?? { ...NEW_STREAM, ...kindOf(stored.request) });
    this.#mountOpen = stored.mountOpen ?? false;
    this.#shared = parts.shared.of(stored.request);
    this.#hold = this.#shared?.holdFor(stored.lease) ?? holdOf(parts, stored);
    this.#nbemm = parts.bus.client('nbemm');
    this.#letters = new LetterBox({
      ...{
        request: () => this.#request,
        lease: stored.lease,
        store: parts.store,
        clock: parts.clock,
      },
      ...{ nbemm: this.#nbemm, log: parts.log, stopping: parts.stopping },
      recordUnder: this.#shared?.mount ?? stored.lease,
      onRecorded: (fragmentNumber) => this.apply({ type: 'recorded', fragmentNumber }),
      onRefused: (failure) => this.apply({ type: 'recordRefused', failure }),
    });
    this.#renewer = new LeaseRenewer({
      renew: (writerPid) => this.#hold.renew(writerPid),
      ...{ lease: this.lease, log: parts.log, clock: parts.clock },
      ...{ everyMs: parts.config.renewEveryMs, leaseMs: parts.config.leaseT1Ms },
      onRenewed: (validForMs) => this.#process?.send({ type: 'lease', validForMs }),
      onLost: (reason) => this.apply({ type: 'leaseLost', reason }),
    });
  }

  get stream(): Stream {
    return this.watched.now.value;
  }

  /** Applies one event: state first onto the disk, then to watchers, then into the world. */
  apply(event: StreamEvent): void {
    // A daemon that stops leaves all as it stands: the next start takes it up.
    if (this.#parts.stopping.aborted) return;
    const before = this.stream;
    const { stream, effects } = step(before, event);
    if (stream === before && effects.length === 0) return;
    if (stream !== before) this.#noteVolume(event);
    if (effects.some((effect) => effect.do === 'mount')) this.#mountOpen = true;
    const letters = effects.flatMap((effect) => this.#letters.write(effect));
    if (letters.length > 0 || !onlyBytesChanged(before, stream)) {
      this.#parts.store.save(this.#stored(stream), letters, this.#parts.clock.nowMs());
    }
    this.watched.set(stream);
    if (isOver(stream)) this.#ended.abort(new Error('the stream is over'));
    for (const effect of effects) this.#perform(effect);
    if (letters.length > 0) void this.#letters.deliver();
  }

  /** Written down with the change: what is told from now on is told of this volume. */
  #noteVolume(event: StreamEvent): void {
    const said = event.type === 'drive' ? event.report : event;
    const { grant } = this.#request;
    if (grant === null || (said.type !== 'volumeGiven' && said.type !== 'volumeIs')) return;
    const { volume, number: volumeNumber } = said;
    this.#request = { ...this.#request, grant: { ...grant, volume, volumeNumber } };
  }

  finish(expectedBytes: bigint, env: readonly EnvVar[]): void {
    this.#finishEnv = env;
    this.apply({ type: 'finishAsked', expectedBytes });
  }

  /** After a restart: what ran is lost, what is owed is still delivered. */
  resume(): void {
    if (this.stream.holds === 'mounting') {
      this.apply({ type: 'mountFailed', failure: RESTARTED });
    } else if (this.stream.holds === 'process' || this.stream.holds === 'nothing') {
      this.apply({ type: 'abortAsked', failure: RESTARTED });
      void this.#afterLife().then(() =>
        this.apply({ type: 'driveExited', how: 'bptm was restarted' }),
      );
    }
    // A fragment's answer may have been kept just before the end.
    this.apply({ type: 'recorded', fragmentNumber: 0 });
    if (this.#mountOpen && this.stream.holds === 'returned') void this.#unmount();
    void this.#letters.deliver();
  }

  /** A drive behind an NDMP host is still open for the life before: closed, before anybody else may have it. */
  async #afterLife(): Promise<void> {
    const device = moverDeviceOf(this.#request, '');
    if (device !== null) await this.#moverDrive(device).closeTape();
  }

  #stored(stream: Stream): StoredStream {
    return {
      request: this.#request,
      lease: this.lease,
      stream,
      mountOpen: this.#mountOpen,
    };
  }

  #perform(effect: StreamEffect): void {
    switch (effect.do) {
      case 'mount':
        void this.#mount();
        break;
      case 'startDrive':
        void this.#startDrive(effect.drivePath);
        break;
      case 'askVolume':
        void this.#askVolume(effect);
        break;
      case 'giveVolume': {
        const { drivePath } = effect;
        const { volume } = this.#request.grant!;
        this.#process?.send({ type: 'volume', drivePath, volume: volume! });
        break;
      }
      case 'finishDrive': {
        const { expectedBytes } = effect;
        this.#process?.send({ type: 'finish', expectedBytes, env: this.#finishEnv });
        break;
      }
      case 'sendRange': {
        const { sequence, offset, length } = effect;
        this.#process?.send({ type: 'range', sequence, offset, length });
        break;
      }
      case 'dial': {
        const { sequence, addresses } = effect;
        this.#process?.send({ type: 'dial', sequence, addresses });
        break;
      }
      case 'endDrive':
        // Without a process yet, `#startDrive` sees that the stream is over.
        this.#process?.end(effect.reason);
        break;
      case 'unmount':
        void this.#unmount();
        break;
      case 'tell': {
        const { key, text, severity = 'info' } = effect;
        this.#tell(key, text, severity);
        break;
      }
      case 'record':
      case 'mediaEvent':
        // Letters: delivered from the store.
        break;
    }
  }

  async #mount(): Promise<void> {
    const { config, stopping, clock } = this.#parts;
    const { mounts } = this.#hold;
    const { grant } = this.#request;
    const { volume, tapeAlerts } = this.stream;
    const first = this.stream.exchange === null;
    if (mounts) this.#tell(keyed(this.stream, 'mounting'), `mounting ${volume}`, 'info');
    const startMs = clock.nowMs();
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(config.mountTimeoutMs)]);
    try {
      const drivePath = await this.#hold.mount(grant, tapeAlerts, signal);
      if (first) this.#renewer.start();
      const mountMs = mounts ? clock.nowMs() - startMs : null;
      this.apply({ type: 'mounted', drivePath, mountMs });
    } catch (error) {
      if (stopping.aborted) return;
      const failure = signal.aborted
        ? new StatusError('mountTimedOut', `${volume} was not mounted in time`)
        : asStatusError(error);
      this.apply({ type: 'mountFailed', failure });
    }
  }

  async #askVolume(wanted: VolumeQuestion): Promise<void> {
    const { bus, config, clock, stopping } = this.#parts;
    const signal = AbortSignal.any([stopping, this.#ended.signal]);
    try {
      const volume = await nextVolume({
        ...{ nbrb: bus.client('nbrb'), clock, lease: this.lease, wanted, signal },
        timeoutMs: config.nextVolumeTimeoutMs,
        onWaiting: (text, key) => this.#tell(key, text, 'info'),
      });
      this.apply({ type: 'volumeGiven', number: wanted.number, volume });
    } catch (error) {
      if (!signal.aborted) this.apply({ type: 'volumeDenied', failure: asStatusError(error) });
    }
  }

  async #startDrive(drivePath: string): Promise<void> {
    const { pool, config, host, iscsi } = this.#parts;
    try {
      const device = moverDeviceOf(this.#request, drivePath);
      const label = isLabel(this.#request);
      const peers = device === null && !label ? await this.#peers() : [];
      const kept = label ? await this.#keptVolumes() : [];
      const own = (): Promise<DriveProcess> => this.#shared?.take(this.lease) ?? pool.take();
      const taken = device === null ? await own() : this.#moverDrive(device);
      this.#process = taken;
      taken.attach({
        onReport: (report) => this.apply({ type: 'drive', report, hosts: config.dataHost }),
        onExit: (how) => {
          this.#renewer.stop();
          this.apply({ type: 'driveExited', how });
        },
      });
      if (isOver(this.stream)) {
        taken.end('the stream is over');
        return;
      }
      const { firstPort, lastPort, acceptTimeoutMs, dialTimeoutMs } = config;
      const { ringBytes, driveModules } = config;
      const order = orderOf(this.#request, {
        ...{
          drivePath,
          mediaServer: host,
          ringBytes,
          driveModules,
          iscsi,
          software: VERSION,
          kept,
        },
        leaseMs: this.#renewer.leftMs,
        connection: {
          bindHost: addressToBind(config.bindHost, config.dataHost),
          ...{ firstPort, lastPort, acceptTimeoutMs, dialTimeoutMs, peers },
        },
      });
      this.#renewer.writer(taken.pid);
      taken.send({ type: 'start', order });
    } catch (error) {
      if (this.#parts.stopping.aborted) return;
      this.apply({ type: 'abortAsked', failure: asStatusError(error, 'tapeMgrSystemError') });
      // No process will tell of its end.
      if (this.#process === undefined) this.apply({ type: 'driveExited', how: 'not started' });
    }
  }

  /** A drive behind an NDMP host needs no process: its data never comes here. */
  #moverDrive(device: MoverDevice): MoverDrive {
    const { bus, host, stopping } = this.#parts;
    const agent = bus.client('ndmpagent', host);
    return new MoverDrive({ agent, lease: this.lease, device, stopping });
  }

  async #peers(): Promise<string[]> {
    const { config, stopping } = this.#parts;
    const signal = AbortSignal.any([stopping, this.#ended.signal]);
    const { peerAddresses, job } = this.#request;
    const named =
      peerAddresses.length > 0
        ? (await Promise.all(peerAddresses.map(resolve))).flat()
        : await untilAnswered((call) => peersOf(ndmpHostOf(job!), this.#nbemm, call), {
            signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_MAX_MS)]),
          });
    return [...named, ...config.extraPeers];
  }

  /** Asked under the grant: nobody else can assign its volume now. Error: 168. */
  async #keptVolumes(): Promise<string[]> {
    const signal = AbortSignal.any([this.#parts.stopping, this.#ended.signal]);
    const ends = AbortSignal.any([signal, AbortSignal.timeout(ASK_MAX_MS)]);
    return keptVolumes(this.#nbemm, this.#request.grant!.volume!.mediaId, ends);
  }

  /** Told until answered: until then nobody else gets the drive. */
  async #unmount(): Promise<void> {
    this.#renewer.stop();
    try {
      const { failure, tapeAlerts } = this.stream;
      // A host that lost a session may keep its tape: the next job would only find the same.
      const doubt = failure?.status === 'mediaInUse' ? failure.detail : '';
      const outcome = { failed: failure !== null, tapeAlerts, doubt };
      await this.#hold.giveBack(outcome, this.#parts.stopping);
    } catch (error) {
      if (this.#parts.stopping.aborted) return;
      // Another holder is known by now: there is nothing of ours left to give back.
      this.#parts.log.warn({ err: error, stream: this.key }, 'the giving back was refused');
    }
    if (this.#parts.stopping.aborted) return;
    this.#mountOpen = false;
    this.#parts.store.save(this.#stored(this.stream), [], this.#parts.clock.nowMs());
  }

  #tell(key: string, text: string, severity: 'info' | 'warning' | 'error'): void {
    const { bus } = this.#parts;
    tellDetail(bus, { attempt: this.lease.attempt, producer: 'bptm', text, key, severity });
  }
}

const ASK_MAX_MS = 60_000;
const RESTARTED = {
  status: 'tapeMgrKilled',
  detail: 'bptm was restarted while the stream ran',
} as const;

function holdOf(
  { bus, host, config }: RunnerParts,
  { request, lease }: Pick<StoredStream, 'request' | 'lease'>,
): Hold {
  const unit = diskOf(request);
  if (unit === null) return tapeHold(bus.client('ltid', host), lease);
  const isRead = request.grant?.mode === 'DRIVE_MODE_READ';
  const writes = isRead ? null : { backupId: request.image?.backupId ?? '', copy: FIRST_COPY };
  const leaseMs = config.leaseT1Ms;
  return diskHold({ nbrb: bus.client('nbrb'), host, lease, unit, leaseMs, writes });
}

/** Progress is not worth a write to the disk. */
function onlyBytesChanged(before: Stream, after: Stream): boolean {
  return (Object.keys(after) as (keyof Stream)[]).every(
    (key) => key === 'bytes' || before[key] === after[key],
  );
}
