// The tape side of one session: its drive, its robot and its mover behind the state machine's effects, and the meeting
// of mover and DATA service when the data path is LOCAL. Either of them may be there first.

import {
  type DeviceEffect,
  type MoverReport,
  type ServerEvent,
  type ServerFacts,
  SessionDevices,
} from '@tapestry/ndmp';
import type { DataHosts } from './data-host.ts';
import type { TapeLibrary } from './tape-library.ts';
import { TapeService } from './tape-service.ts';
import type { TapeThreads } from './tape-threads.ts';

/** Both ends are on this host, and one of them waits already. */
const MEETING_TIMEOUT_MS = 15_000;

export interface SessionTapeOptions {
  readonly library: TapeLibrary;
  readonly threads: TapeThreads;
  readonly hosts: DataHosts;
  readonly feed: (event: ServerEvent) => void;
  /** Has the DATA service of the session dial this socket. */
  readonly dialData: (path: string) => void;
}

export class SessionTape {
  readonly #options: SessionTapeOptions;
  readonly #service: TapeService;
  readonly #devices: SessionDevices;
  #dataCame = Promise.withResolvers<void>();
  #moverCame = Promise.withResolvers<void>();

  constructor(options: SessionTapeOptions) {
    const { library, threads, hosts } = options;
    this.#options = options;
    this.#service = new TapeService({
      ...{ library, threads, hosts },
      onReport: (report) => this.#onReport(report),
      onLocalDial: (path) => this.#dial(path),
    });
    const pump = this.#service;
    this.#devices = new SessionDevices({ tapes: pump.tapes, robots: library.robots, pump });
  }

  get facts(): Pick<ServerFacts, 'hasTape' | 'hasScsi' | 'moverProgress'> {
    return {
      hasTape: true,
      hasScsi: true,
      moverProgress: () => this.#devices.progress(),
    };
  }

  /** For CONFIG_GET_TAPE_INFO and CONFIG_GET_SCSI_INFO. */
  list(service: 'tape' | 'scsi'): ReturnType<SessionDevices['list']> {
    return this.#devices.list(service);
  }

  /** The event that the effect leads to, when it leads to one. */
  async perform(effect: DeviceEffect): Promise<ServerEvent | undefined> {
    const isLocal = effect.do === 'moverConnect' && effect.address.type === 'local';
    if (isLocal) this.#dataCame = Promise.withResolvers<void>();
    const event = await this.#devices.perform(effect);
    // A start that comes right behind must find the data service connected.
    if (isLocal && event?.type === 'moverConnected') await within(this.#dataCame.promise);
    return event;
  }

  /** DATA_CONNECT(LOCAL): false when no mover of this session waits. */
  joinMover(): boolean {
    const { localPath } = this.#service;
    if (localPath === undefined) return false;
    this.#moverCame = Promise.withResolvers<void>();
    this.#dial(localPath);
    return true;
  }

  #dial(path: string): void {
    this.#options.dialData(path);
  }

  /** The data service is connected to the mover; resolves when the mover knows as well. */
  async dataJoined(isDialling: boolean): Promise<void> {
    this.#dataCame.resolve();
    if (isDialling) await within(this.#moverCame.promise);
  }

  #onReport(report: MoverReport): void {
    this.#options.feed(report);
    if (report.type === 'moverPeerConnected') this.#moverCame.resolve();
  }

  /** After the last effect of the session. */
  async end(): Promise<void> {
    await this.#service.end();
  }
}

function within(meeting: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, MEETING_TIMEOUT_MS);
    void meeting.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
