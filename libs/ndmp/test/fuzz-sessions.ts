// Fuzzing of whole sessions: a DMA that mostly says what makes sense next, devices that do what they
// like, and after each step the rules that no session may break.

import { md5Answer } from '../src/authentication.ts';
import {
  ADDR_TYPE,
  DATA_HALT,
  DATA_STATE,
  MOVER_HALT,
  MOVER_PAUSE,
  MOVER_STATE,
} from '../src/constants.ts';
import type { Entropy } from '../src/entropy-reader.test-data.ts';
import { encodeRequest, HEADER_BYTES, MESSAGE_TYPE, splitRecord } from '../src/envelope.ts';
import { messagesOf, type NdmpVersion, type RequestName } from '../src/messages.ts';
import { isDeviceEffect } from '../src/server-devices.ts';
import { CHALLENGE, FULL_FACTS } from '../src/server-kit.test-data.ts';
import { type OuterEffect, type ServerOutput, ServerSession } from '../src/server-session.ts';
import type { ServerEvent, ServerFacts, ServerState } from '../src/server-state.ts';
import { TraceDecoder } from '../src/trace.ts';
import { chunked, madeUpRequest, mutated, pick, ROWS, VERSIONS } from './fuzz-bytes.ts';

const LOCAL = { type: 'local' as const };
const TCP6 = { type: 'tcp6' as const, endpoints: [{ host: '2001:db8::1', port: 4000, env: [] }] };
const TCP = { type: 'tcp' as const, endpoints: [{ host: '10.0.0.1', port: 4000, env: [] }] };
const ERRORS = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 7, 10, 12, 13, 16, 23];

type Said = readonly [RequestName, unknown];

const listenAt = (mode: number, addressType: number): Said => [
  'moverListen',
  { mode, addressType },
];
const OPENING: readonly Said[] = [
  ['tapeOpen', { device: 'nst0', mode: 1 }],
  ['tapeOpen', { device: 'nst0', mode: 1 }],
  ['tapeOpen', { device: 'nst0', mode: 0 }],
  ['scsiOpen', { device: 'mc0' }],
  ['configGetExtList', {}],
  ['configSetExtList', { selected: [{ classId: 0x7ff0, version: 1 }] }],
  ['configSetExtList', { selected: [{ classId: 0x2051, version: 1 }] }],
];
const ON_TAPE: readonly Said[] = [
  ['tapeClose', {}],
  ['tapeMtio', { operation: 4, count: 1 }],
  ['tapeMtio', { operation: 5, count: 2 }],
  ['tapeWrite', { data: Buffer.alloc(32) }],
  ['tapeRead', { count: 512 }],
  ['moverSetRecordSize', { recordSize: 512 }],
  ['moverSetWindow', { offset: 0n, length: 1024n }],
  ['moverSetWindow', { offset: 1024n, length: 0xffff_ffff_ffff_ffffn }],
  listenAt(0, ADDR_TYPE.local),
  listenAt(0, ADDR_TYPE.local),
  listenAt(1, ADDR_TYPE.local),
  listenAt(1, ADDR_TYPE.tcp),
  listenAt(0, ADDR_TYPE.tcp6),
  ['moverConnect', { mode: 1, address: TCP }],
  ['dataListen', { addressType: ADDR_TYPE.local }],
  ['moverConnect', { mode: 0, address: LOCAL }],
];
const WITH_MOVER: readonly Said[] = [
  ['dataConnect', { address: LOCAL }],
  ['dataConnect', { address: LOCAL }],
  ['moverRead', { offset: 512n, length: 600n }],
  ['moverSetWindow', { offset: 512n, length: 1024n }],
  ['moverContinue', {}],
  ['moverClose', {}],
  ['moverAbort', {}],
  ['moverStop', {}],
  ['moverGetState', {}],
];
const WITH_DATA: readonly Said[] = [
  ['dataListen', { addressType: ADDR_TYPE.tcp }],
  ['dataConnect', { address: TCP }],
  ['dataListen', { addressType: ADDR_TYPE.tcp6 }],
  ['dataConnect', { address: TCP6 }],
  ['dataStartBackup', { butype: 'tar', env: [], mover: LOCAL }],
  ['dataStartRecover', { butype: 'tar', env: [], names: [], mover: TCP }],
  ['dataAbort', {}],
  ['dataStop', {}],
  ['dataGetState', {}],
  ['dataGetEnv', {}],
];
const ANYTHING: readonly Said[] = [
  ...[...OPENING, ...ON_TAPE, ...WITH_MOVER, ...WITH_DATA],
  ['scsiClose', {}],
  ['connectOpen', { version: 4 }],
  ['connectClientAuth', { auth: { type: 'text', user: 'ndmp', password: 'secret' } }],
];

/** What a DMA might well say next. */
function sensible(entropy: Entropy, { device, mover, data }: ServerState): Said {
  const turn = entropy.below(8);
  if (turn === 0) return pick(entropy, ANYTHING);
  if (device.kind === 'none') return pick(entropy, turn < 6 ? OPENING : WITH_DATA);
  const isBusy = data.state !== DATA_STATE.idle;
  if (isBusy && turn < 4) return pick(entropy, WITH_DATA);
  return pick(entropy, mover.state === MOVER_STATE.idle ? ON_TAPE : WITH_MOVER);
}

class FuzzedSession {
  readonly #entropy: Entropy;
  readonly #version: NdmpVersion;
  readonly #session: ServerSession;
  readonly #decoder = new TraceDecoder();
  readonly #later: (() => void)[] = [];
  #asked = 0;
  #answered = 0;
  readonly #said = new Set<number>();
  #posts: string[] = [];
  /** Errors of the replies since the last step. */
  #errors: number[] = [];
  #bytesMoved = 0n;
  #canReply = true;
  #endReason: string | undefined;

  constructor(entropy: Entropy) {
    this.#entropy = entropy;
    this.#version = pick(entropy, VERSIONS);
    const facts: ServerFacts = {
      ...FULL_FACTS,
      isStrict: entropy.below(3) === 0,
      versionMax: this.#version,
      moverProgress: () => ({
        bytesMoved: this.#bytesMoved,
        recordNumber: 0,
        bytesLeftToRead: BigInt(entropy.below(2)),
      }),
    };
    this.#session = new ServerSession({
      facts: () => facts,
      nowSeconds: () => 1,
      onOutput: (output) => this.#take(output),
      canReply: () => this.#canReply,
    });
  }

  run(): void {
    this.#session.greet();
    let sequence = this.#logIn();
    const steps = 1 + this.#entropy.below(24);
    for (let i = 0; i < steps && this.#endReason === undefined; i += 1) {
      sequence += this.#entropy.below(20) === 0 ? this.#entropy.below(5) - 2 : 1;
      this.#watch(() => this.#say(this.#next(sequence >>> 0)));
      if (this.#entropy.below(4) === 0) this.#watch(() => this.#happen());
      if (this.#entropy.below(8) === 0) this.#watch(() => this.#stop());
      while (this.#later.length > 0 && this.#entropy.below(2) === 0)
        this.#watch(() => this.#settle());
    }
    while (this.#later.length > 0) this.#watch(() => this.#settle());
    this.#watch(() => this.#session.lose());
    this.#mustHold(this.#endReason !== undefined, 'a lost session has not ended');
    this.#mustHold(!(this.#endReason ?? '').startsWith('internal error'), this.#endReason ?? '');
  }

  #logIn(): number {
    const version = this.#version;
    const digest = md5Answer('secret', CHALLENGE);
    const auth = { type: 'md5' as const, user: 'ndmp', digest };
    const isMeant = this.#entropy.below(8) > 0;
    if (!isMeant) return 0;
    const stamp = (sequence: number) => ({ version, sequence, timeStamp: 1 });
    this.#say(encodeRequest(stamp(1), 'connectOpen', { version }));
    this.#say(encodeRequest(stamp(2), 'configGetAuthAttr', { authType: 2 }));
    this.#say(encodeRequest(stamp(3), 'connectClientAuth', { auth }));
    return 3;
  }

  #next(sequence: number): Buffer {
    const entropy = this.#entropy;
    const at = { version: this.#version, sequence };
    if (entropy.below(10) === 0) {
      const { name } = pick(entropy, ROWS[this.#version].requests);
      const bytes = madeUpRequest(entropy, at, name);
      return entropy.below(3) === 0 ? remarked(mutated(entropy, bytes)) : bytes;
    }
    const [name, body] = sensible(entropy, this.#session.state);
    if (!messagesOf(this.#version).requests[name].isSpoken) return Buffer.alloc(0);
    return encodeRequest({ ...at, timeStamp: 1 }, name, body as never);
  }

  #say(bytes: Buffer): void {
    this.#asked += countRequests(bytes);
    this.#overhear(bytes);
    for (const chunk of chunked(this.#entropy, bytes)) this.#session.receive(chunk);
  }

  /** The decoder learns what replies are to; of two requests with one number the first counts. */
  #overhear(bytes: Buffer): void {
    if (bytes.length < 4 + HEADER_BYTES) return;
    const { sequence, messageType } = splitRecord(bytes.subarray(4)).header;
    if (messageType !== MESSAGE_TYPE.request || this.#said.has(sequence)) return;
    this.#said.add(sequence);
    this.#decoder.push({ from: 'dma', bytes });
  }

  /** Something that the devices and the DATA service do on their own. */
  #happen(): void {
    const entropy = this.#entropy;
    this.#bytesMoved += BigInt(entropy.below(3) * 512);
    const events: readonly ServerEvent[] = [
      { type: 'moverPeerConnected', address: TCP },
      { type: 'moverPaused', reason: 1 + entropy.below(5), seekPosition: 512n },
      { type: 'moverHalted', reason: 1 + entropy.below(5) },
      { type: 'peerConnected', address: TCP },
      { type: 'dataRead', offset: 0n, length: 512n },
      { type: 'ended', reason: DATA_HALT.successful, env: [] },
      { type: 'answered', body: { error: 0 } },
      { type: 'failed', error: 7, text: 'late' },
    ];
    const likely = events.slice(0, this.#session.state.owed === undefined ? 6 : 8);
    this.#session.feed(pick(entropy, likely));
  }

  /** The peer stops taking bytes, and does again later. */
  #stop(): void {
    this.#canReply = false;
    this.#later.push(() => {
      this.#canReply = true;
      this.#session.resumeReplies();
    });
  }

  #settle(): void {
    this.#later.shift()?.();
  }

  #take(output: ServerOutput): void {
    if (output.type === 'end') {
      this.#mustHold(this.#endReason === undefined, 'ended twice');
      this.#endReason = output.reason;
      return;
    }
    this.#mustHold(this.#endReason === undefined, 'went on after its end');
    if (output.type === 'perform') {
      this.#outcome(output.effect);
      return;
    }
    for (const message of this.#decoder.push({ from: 'server', bytes: output.bytes })) {
      this.#mustHold(message.kind !== 'broken', `${message.name} does not decode`);
      if (message.kind === 'reply') {
        this.#answered += 1;
        this.#errors.push(message.error);
      } else this.#posts.push(message.name);
    }
  }

  #outcome(effect: OuterEffect): void {
    const event = outcomeOf(effect, pick(this.#entropy, ERRORS));
    if (event !== undefined) this.#later.push(() => this.#session.feed(event));
    if (effect.do === 'penalise') this.#later.push(() => this.#session.resume());
    if (effect.do === 'awaitPeer') {
      this.#later.push(() => this.#session.startAnyway(effect.sequence));
    }
  }

  /** One step, and what must be true of it. */
  #watch(step: () => void): void {
    const before = this.#session.state;
    const waiting = this.#session.queuedCount;
    this.#posts = [];
    this.#errors = [];
    step();
    const after = this.#session.state;
    checkReasons(after);
    this.#mustHold(this.#answered <= this.#asked, 'more answers than questions');
    const isOver = after.phase === 'closing';
    if (isOver) {
      this.#mustHold(after.device.kind === 'none', 'a device stays open after the end');
      return;
    }
    this.#checkPosts(before, after);
    // With others in the queue, the step is not the refused request's alone.
    if (waiting === 0) this.#checkRefusal(before, after);
  }

  /** A request that was refused at once has changed nothing. */
  #checkRefusal(before: ServerState, after: ServerState): void {
    const [error, ...more] = this.#errors;
    const isRefusal = error !== undefined && error !== 0 && more.length === 0;
    if (!isRefusal || before.owed !== undefined || after.owed !== undefined) return;
    const isSame =
      before.data === after.data &&
      before.mover === after.mover &&
      before.device.kind === after.device.kind &&
      before.extensions === after.extensions;
    this.#mustHold(isSame, 'a refused request changed something');
  }

  /** Entering HALTED and PAUSED is told, and staying there is not. */
  #checkPosts(before: ServerState, after: ServerState): void {
    const halts = this.#posts.filter((name) => name === 'notifyMoverHalted').length;
    const entered =
      after.mover.state === MOVER_STATE.halted && before.mover.state !== after.mover.state;
    if (entered) this.#mustHold(halts > 0, 'the mover halted in silence');
    if (before.mover.state === MOVER_STATE.halted && after.mover.state === MOVER_STATE.halted) {
      this.#mustHold(halts === 0 || this.#posts.length > 1, 'the mover halted twice');
    }
    const data = this.#posts.filter((name) => name === 'notifyDataHalted').length;
    const ended = after.data.state === DATA_STATE.halted && before.data.state !== after.data.state;
    if (ended) this.#mustHold(data > 0, 'the DATA service halted in silence');
  }

  #mustHold(condition: boolean, broken: string): void {
    if (!condition) throw new Error(broken);
  }
}

function checkReasons({ mover, data }: ServerState): void {
  const isHalted = mover.state === MOVER_STATE.halted;
  const isPaused = mover.state === MOVER_STATE.paused;
  if ((mover.haltReason !== MOVER_HALT.na) !== isHalted) throw new Error('a halt reason is wrong');
  if ((mover.pauseReason !== MOVER_PAUSE.na) !== isPaused) {
    throw new Error('a pause reason is wrong');
  }
  const isEnded = data.state === DATA_STATE.halted;
  if ((data.haltReason !== DATA_HALT.na) !== isEnded) throw new Error('a DATA reason is wrong');
}

function outcomeOf(effect: OuterEffect, error: number): ServerEvent | undefined {
  if (isDeviceEffect(effect)) {
    if (effect.do === 'device') return { type: 'answered', body: { error } };
    if (effect.do !== 'moverListen' && effect.do !== 'moverConnect') return undefined;
    if (error !== 0) return { type: 'failed', error };
    if (effect.do === 'moverConnect') return { type: 'moverConnected', address: effect.address };
    const isLocal = effect.addressType === ADDR_TYPE.local;
    return { type: 'moverListening', address: isLocal ? LOCAL : TCP };
  }
  switch (effect.do) {
    case 'answer':
      return { type: 'answered', body: {} };
    case 'listen': {
      const isLocal = effect.addressType === ADDR_TYPE.local;
      return error === 0
        ? { type: 'listening', address: isLocal ? LOCAL : TCP }
        : { type: 'failed', error };
    }
    case 'dial':
      return error === 0
        ? { type: 'dialled', address: effect.address }
        : { type: 'failed', error, text: 'nobody there' };
    case 'start':
      return error === 0 ? { type: 'started', env: effect.env } : { type: 'failed', error };
    default:
      return undefined;
  }
}

/** A spoilt record in a mark of its own, so that what follows it is still found. */
function remarked(bytes: Buffer): Buffer {
  if (bytes.length < 4) return Buffer.alloc(0);
  const copy = Buffer.from(bytes);
  copy.writeUInt32BE((copy.length - 4 + 0x8000_0000) >>> 0, 0);
  return copy;
}

/** Requests that may be answered: everything that looks like a header is one. */
function countRequests(bytes: Buffer): number {
  if (bytes.length < 4 + HEADER_BYTES) return 0;
  return splitRecord(bytes.subarray(4)).header.messageType === 0 ? 1 : 0;
}

export function fuzzSession(entropy: Entropy): void {
  new FuzzedSession(entropy).run();
}
