// A whole server in memory: the session with its devices, mover and a DATA service that a test plays.
// Used to run conversations, to record them, and to play them again.

import type { NdmpAddress } from './addresses.ts';
import { ADDR_TYPE, DATA_HALT, NDMP_ERROR } from './constants.ts';
import {
  MEMORY_ADDRESS,
  MemoryDrive,
  MemoryRobots,
  MemoryStream,
  MemoryStreams,
  MemoryTape,
  MemoryTapes,
} from './memory-devices.test-data.ts';
import { RecordPump } from './record-pump.ts';
import { isDeviceEffect, SessionDevices } from './server-devices.ts';
import { FULL_FACTS } from './server-kit.test-data.ts';
import { type OuterEffect, ServerSession } from './server-session.ts';
import type { ServerFacts } from './server-state.ts';
import type { Pval } from './structures.ts';

const HOST = { hostname: 'h', osType: 'Linux', osVersion: '6', hostId: 'id', authTypes: [2] };
const ANSWERS: Readonly<Record<string, Record<string, unknown>>> = {
  configGetHostInfo: HOST,
  configGetServerInfo: { vendor: 'v', product: 'p', revision: '1', authTypes: [1, 2] },
  configGetButypeInfo: { butypes: [{ name: 'tar', defaultEnv: [], attrs: 0x63e }] },
  configGetButypeAttr: { attrs: 0x22 },
  configGetFsInfo: { fileSystems: [] },
};

export class SessionHarness {
  readonly tape = new MemoryTape();
  readonly drive = new MemoryDrive(this.tape);
  readonly robots = new MemoryRobots();
  readonly streams = new MemoryStreams();
  readonly devices: SessionDevices;
  readonly session: ServerSession;
  readonly sent: Buffer[] = [];
  readonly performed: string[] = [];
  /** The DATA service's end of the data connection. */
  dataEnd: MemoryStream | undefined;
  endReason: string | undefined;
  isFault: boolean | undefined;
  /** Lets a start wait for its peer until the test says so. */
  isPatient = false;
  /** What the peer takes. */
  canReply = true;
  onSend: (bytes: Buffer) => void = () => {};
  #pending = 0;

  constructor(changes: Partial<ServerFacts> = {}) {
    const pump = new RecordPump(this.streams, (report) => this.session.feed(report));
    const tapes = new MemoryTapes(this.drive);
    this.devices = new SessionDevices({ tapes, robots: this.robots, pump });
    const moverProgress = () => this.devices.progress();
    this.session = new ServerSession({
      facts: () => ({ ...FULL_FACTS, moverProgress, ...changes }),
      nowSeconds: () => 1,
      canReply: () => this.canReply,
      onOutput: (output) => {
        if (output.type === 'end') {
          this.endReason = output.reason;
          this.isFault = output.isFault;
        } else if (output.type === 'perform') void this.#perform(output.effect);
        else {
          this.sent.push(output.bytes);
          this.onSend(output.bytes);
        }
      },
    });
  }

  get sentBytes(): Buffer {
    return Buffer.concat(this.sent);
  }

  /** Resolves when nothing more happens by itself. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#pending > 0) quiet = -1;
    }
  }

  /** The DATA service's stream goes to the mover and ends, and so does its operation. */
  async backUp(stream: Buffer): Promise<void> {
    await this.dataEnd?.write(stream);
    await this.dataEnd?.end();
    await this.settle();
    this.session.feed({ type: 'ended', reason: DATA_HALT.successful, env: [] });
    await this.settle();
  }

  async #perform(effect: OuterEffect): Promise<void> {
    this.performed.push(effect.do === 'device' ? effect.name : effect.do);
    this.#pending += 1;
    try {
      await this.#performOne(effect);
    } finally {
      this.#pending -= 1;
    }
  }

  async #performOne(effect: OuterEffect): Promise<void> {
    if (isDeviceEffect(effect)) {
      const event = await this.devices.perform(effect);
      if (event !== undefined) this.session.feed(event);
      return;
    }
    await Promise.resolve();
    switch (effect.do) {
      case 'answer':
        await this.#answer(effect.name);
        break;
      case 'listen':
        this.session.feed({
          type: 'listening',
          address: effect.addressType === ADDR_TYPE.local ? { type: 'local' } : MEMORY_ADDRESS,
        });
        break;
      case 'dial':
        this.#dial(effect.address);
        break;
      case 'start':
        this.session.feed({ type: 'started', env: [...effect.env, EXTRA] });
        break;
      case 'abortData':
        this.dataEnd?.destroy();
        break;
      case 'penalise':
        this.session.resume();
        break;
      case 'awaitPeer':
        if (!this.isPatient) this.session.startAnyway(effect.sequence);
        break;
      case 'releaseData':
        this.dataEnd = undefined;
    }
  }

  async #answer(name: string): Promise<void> {
    if (name === 'configGetTapeInfo' || name === 'configGetScsiInfo') {
      const devices = await this.devices.list(name === 'configGetTapeInfo' ? 'tape' : 'scsi');
      this.session.feed({ type: 'answered', body: { devices } });
    } else this.session.feed({ type: 'answered', body: ANSWERS[name] ?? {} });
  }

  #dial(address: NdmpAddress): void {
    if (address.type === 'tcp' && address.endpoints[0]?.port === 1) {
      this.session.feed({ type: 'failed', error: NDMP_ERROR.connect, text: 'nobody there' });
      return;
    }
    const isMover = this.session.state.mover.address.type === address.type;
    this.dataEnd = isMover ? this.streams.call() : MemoryStream.pair()[0];
    this.session.feed({ type: 'dialled', address });
  }
}

const EXTRA: Pval = { name: 'DUMP_DATE', value: '1' };
