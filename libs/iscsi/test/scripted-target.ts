// A target for tests, wire only: it negotiates, moves data in the shapes that its script asks for, and lets a test say and
// see every PDU. What stands behind it is a function from CDB to answer.

import {
  AT,
  BHS_BYTES,
  dataBytesOf,
  encodePdu,
  FINAL,
  IMMEDIATE,
  NO_TAG,
  newHeader,
  OPCODE,
  opcodeOf,
} from '../src/wire/pdu.ts';
import { PduFramer } from '../src/wire/pdu-framer.ts';
import { decodeKeys, encodeKeys, type TextKey } from '../src/wire/text-keys.ts';
import { chapAnswer } from './chap-proof.ts';

export interface DeviceCommand {
  readonly lun: number;
  readonly cdb: Buffer;
  readonly dataOut: Buffer;
}

export interface DeviceAnswer {
  readonly status?: number;
  readonly sense?: Buffer;
  readonly data?: Buffer;
}

export interface TargetScript {
  readonly name?: string;
  /** What the target says to each key; digests as lists. Left out: it agrees to what is offered. */
  readonly keys?: Readonly<Record<string, string>>;
  /** Keys that the target brings up itself in the operational stage. */
  readonly declares?: readonly TextKey[];
  readonly chap?: {
    readonly user: string;
    readonly secret: string;
    readonly proves?: { readonly user: string; readonly secret: string };
    readonly algorithm?: number;
  };
  readonly loginStatus?: number;
  readonly redirectTo?: string;
  /** `silent`: no answer comes. */
  readonly device?: (command: DeviceCommand) => DeviceAnswer | 'silent';
  /** Longest R2T. */
  readonly r2tBytes?: number;
  /** Answer a write with this before its data were asked for. */
  readonly earlyStatus?: boolean;
  /** Longest Data-In; status goes with the last one unless `separateStatus`. */
  readonly dataInBytes?: number;
  readonly separateStatus?: boolean;
  /** Commands that the window holds. Default 8. */
  readonly window?: number;
  /** Response code of task management; `silent` answers none. Default 0. */
  readonly taskManagement?: number | 'silent';
  readonly ignoresPings?: boolean;
  /** Sees each PDU of the initiator; true: the target does nothing about it. */
  readonly onPdu?: (header: Buffer, data: Buffer, target: ScriptedTarget) => boolean;
  /** For measuring: data to the device are taken into one place and forgotten, and no PDU is kept. */
  readonly discards?: boolean;
  /** Bytes of text in one login or text response. */
  readonly textBytes?: number;
}

interface Write {
  readonly command: Buffer;
  readonly data: Buffer;
  arrived: number;
  r2tSn: number;
}

const SCRATCH = Buffer.alloc(16 * 1024 * 1024);
const SUPPRESSED = new Set(['InitiatorName', 'InitiatorAlias', 'SessionType', 'TargetName']);
export const TARGET_NAME = 'iqn.2026-01.test.tapestry:target';

export class ScriptedTarget {
  readonly script: TargetScript;
  readonly seen: { opcode: number; header: Buffer; data: Buffer }[] = [];
  /** Every text that the initiator sent during the login. */
  readonly offered: TextKey[] = [];
  readonly #write: (bytes: Buffer) => void;
  readonly #close: () => void;
  readonly #framer: PduFramer;
  readonly #writes = new Map<number, Write>();
  #statSn = 100;
  #expCmdSn = 0;
  #digests = { header: false, data: false };
  #initiatorSegmentBytes = 8192;
  #firstBurstBytes = 65_536;
  #initialR2T = true;
  #chapStep = 0;
  #windowShift = 0;
  #rest: Buffer | undefined;
  #isLoggedIn = false;
  #heldAnswers: (() => void)[] = [];
  /** While true the window is shut and answers are held back. */
  isHolding = false;

  constructor(script: TargetScript, write: (bytes: Buffer) => void, close: () => void) {
    this.script = script;
    this.#write = write;
    this.#close = close;
    this.#framer = new PduFramer(16 * 1024 * 1024, {
      place: (header) => this.#place(header),
      receive: (header, data) => this.#receive(Buffer.from(header), data),
    });
  }

  receive(chunk: Buffer): void {
    this.#framer.push(chunk);
  }

  #place(header: Buffer): Buffer | undefined {
    const opcode = opcodeOf(header);
    const isData = opcode === OPCODE.scsiCommand || opcode === OPCODE.dataOut;
    return this.script.discards && isData ? SCRATCH.subarray(0, dataBytesOf(header)) : undefined;
  }

  /** Sends the header with numbers filled in; `consumes`: the PDU uses up a StatSN. */
  say(header: Buffer, data: Buffer = Buffer.alloc(0), consumes = true): void {
    header.writeUInt32BE(this.#statSn, AT.statSn);
    if (consumes) this.#statSn = (this.#statSn + 1) >>> 0;
    this.sayWithoutStatus(header, data);
  }

  sayWithoutStatus(header: Buffer, data: Buffer = Buffer.alloc(0)): void {
    const window = this.isHolding ? 0 : (this.script.window ?? 8);
    header.writeUInt32BE(this.#expCmdSn, AT.expCmdSn);
    header.writeUInt32BE((this.#expCmdSn + window - 1 + this.#windowShift) >>> 0, AT.maxCmdSn);
    this.#write(Buffer.concat(encodePdu(header, data.length > 0 ? [data] : [], this.#digests)));
  }

  sayRaw(bytes: Buffer): void {
    this.#write(bytes);
  }

  /** From now on the window's end is told wrong by so much. */
  shiftWindow(by: number): void {
    this.#windowShift = by;
  }

  skipStatSn(): void {
    this.#statSn = (this.#statSn + 1) >>> 0;
  }

  ping(targetTag: number, data: Buffer): void {
    const header = newHeader(OPCODE.nopIn, FINAL, NO_TAG);
    header.writeUInt32BE(targetTag, AT.targetTag);
    this.say(header, data, false);
  }

  async(code: number, seconds = 0, data: Buffer = Buffer.alloc(0), lun = 0): void {
    const header = newHeader(OPCODE.asyncMessage, FINAL, NO_TAG);
    header[36] = code;
    header.writeUInt16BE(seconds, 42);
    header[9] = lun;
    this.say(header, data);
  }

  /** Opens the window again and gives the answers that were held. */
  release(): void {
    this.isHolding = false;
    for (const answer of this.#heldAnswers.splice(0)) answer();
    const header = newHeader(OPCODE.nopIn, FINAL, NO_TAG);
    header.writeUInt32BE(NO_TAG, AT.targetTag);
    this.say(header, Buffer.alloc(0), false);
  }

  #receive(header: Buffer, data: Buffer): void {
    const opcode = opcodeOf(header);
    if (!this.script.discards) this.seen.push({ opcode, header, data });
    if (this.script.onPdu?.(header, data, this)) return;
    if (opcode === OPCODE.login) this.#login(header, data);
    else if (opcode === OPCODE.scsiCommand) this.#command(header, data);
    else if (opcode === OPCODE.dataOut) this.#dataOut(header, data);
    else if (opcode === OPCODE.nopOut) this.#pong(header, data);
    else if (opcode === OPCODE.taskManagement) this.#manage(header);
    else if (opcode === OPCODE.text) this.#text(header);
    else if (opcode === OPCODE.logout) {
      this.#reply(OPCODE.logoutResponse, header);
      this.#close();
    }
  }

  #login(header: Buffer, data: Buffer): void {
    this.#expCmdSn = header.readUInt32BE(AT.cmdSn);
    const flags = header[1] ?? 0;
    if (this.#rest) {
      this.#loginText(header, this.#rest, flags);
      return;
    }
    const keys = decodeKeys(data);
    this.offered.push(...keys);
    const { loginStatus, redirectTo } = this.script;
    if (loginStatus !== undefined) {
      const text: TextKey[] = redirectTo === undefined ? [] : [['TargetAddress', redirectTo]];
      this.#loginResponse(header, flags & 0x0c, encodeKeys(text), loginStatus);
      return;
    }
    const isSecurity = (flags & 0x0c) === 0;
    const answers = isSecurity ? this.#security(new Map(keys)) : this.#operational(keys);
    if (answers === 'refused') {
      this.#loginResponse(header, flags & 0x0c, Buffer.alloc(0), 0x0201);
      return;
    }
    const mayLeave = isSecurity ? this.script.chap === undefined || this.#chapStep === 2 : true;
    // A target with keys of its own keeps the stage until they are answered.
    const keeps = !isSecurity && (this.script.declares?.length ?? 0) > 0 && !this.#isLoggedIn;
    if (keeps) {
      this.#isLoggedIn = true;
      this.#loginText(
        header,
        encodeKeys([...answers, ...(this.script.declares ?? [])]),
        flags & 0x0c,
      );
      return;
    }
    this.#loginText(header, encodeKeys(answers), mayLeave ? flags : flags & 0x0c);
    if (mayLeave && (flags & 0x83) === 0x83) this.#framer.digests = this.#digests;
  }

  #loginText(header: Buffer, text: Buffer, flags: number): void {
    const bytes = this.script.textBytes ?? text.length;
    if (text.length > bytes) {
      this.#rest = text.subarray(bytes);
      this.#loginResponse(header, (flags & 0x0c) | 0x40, text.subarray(0, bytes));
      return;
    }
    this.#rest = undefined;
    this.#loginResponse(header, flags, text);
  }

  #loginResponse(request: Buffer, flags: number, text: Buffer, status = 0): void {
    const header = newHeader(OPCODE.loginResponse, flags, request.readUInt32BE(AT.initiatorTag));
    request.copy(header, 8, 8, 14);
    const isLast = (flags & 0x83) === 0x83;
    if (isLast) header.writeUInt16BE(7, 14);
    header.writeUInt16BE(status, 36);
    const digests = this.#digests;
    this.#digests = { header: false, data: false };
    this.say(header, text);
    this.#digests = digests;
  }

  #security(keys: ReadonlyMap<string, string>): TextKey[] | 'refused' {
    const { chap } = this.script;
    const group: TextKey[] = keys.has('AuthMethod') ? [['TargetPortalGroupTag', '1']] : [];
    if (chap === undefined) return keys.has('AuthMethod') ? [['AuthMethod', 'None'], ...group] : [];
    if (keys.has('AuthMethod')) {
      if (!keys.get('AuthMethod')?.includes('CHAP')) return 'refused';
      return [['AuthMethod', 'CHAP'], ...group];
    }
    if (keys.has('CHAP_A')) {
      this.#chapStep = 1;
      return [
        ['CHAP_A', String(chap.algorithm ?? 5)],
        ['CHAP_I', '19'],
        ['CHAP_C', '0x000102030405060708090a0b0c0d0e0f'],
      ];
    }
    const algorithm = chap.algorithm ?? 5;
    const challenge = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
    const expected = chapAnswer(algorithm, 19, chap.secret, challenge);
    if (keys.get('CHAP_N') !== chap.user || keys.get('CHAP_R') !== expected) return 'refused';
    this.#chapStep = 2;
    if (chap.proves === undefined) return [];
    const asked = Buffer.from((keys.get('CHAP_C') ?? '0x').slice(2), 'hex');
    const proof = chapAnswer(algorithm, Number(keys.get('CHAP_I')), chap.proves.secret, asked);
    return [
      ['CHAP_N', chap.proves.user],
      ['CHAP_R', proof],
    ];
  }

  #operational(keys: readonly TextKey[]): TextKey[] {
    const answers: TextKey[] = [];
    for (const [key, value] of keys) {
      if (SUPPRESSED.has(key)) continue;
      if (key === 'MaxRecvDataSegmentLength') {
        this.#initiatorSegmentBytes = Number(value);
        const own = this.script.keys?.[key];
        if (own !== undefined) answers.push([key, own]);
        continue;
      }
      const declared = this.script.declares?.some(([name]) => name === key);
      if (declared) continue;
      const answer = this.#answerTo(key, value);
      answers.push([key, answer]);
      if (key === 'HeaderDigest') this.#digests = { ...this.#digests, header: answer === 'CRC32C' };
      if (key === 'DataDigest') this.#digests = { ...this.#digests, data: answer === 'CRC32C' };
      if (key === 'FirstBurstLength') this.#firstBurstBytes = Number(answer);
      if (key === 'InitialR2T') this.#initialR2T = answer === 'Yes';
    }
    return answers;
  }

  #answerTo(key: string, offered: string): string {
    const isDigest = key.endsWith('Digest');
    const wanted = this.script.keys?.[key] ?? (isDigest ? 'None' : offered);
    return isDigest && wanted === 'CRC32C' && !offered.includes(wanted) ? 'None' : wanted;
  }

  #command(header: Buffer, data: Buffer): void {
    if (((header[0] ?? 0) & IMMEDIATE) === 0) this.#expCmdSn = (this.#expCmdSn + 1) >>> 0;
    const isWrite = ((header[1] ?? 0) & 0x20) !== 0;
    const expected = isWrite ? header.readUInt32BE(AT.expectedBytes) : 0;
    const write: Write = {
      command: header,
      data: this.script.discards ? SCRATCH.subarray(0, expected) : Buffer.alloc(expected),
      arrived: data.length,
      r2tSn: 0,
    };
    if (!this.script.discards) data.copy(write.data);
    if (isWrite && this.script.earlyStatus) {
      this.#answer(write);
      return;
    }
    const isComplete = write.arrived === expected;
    if (isComplete) {
      this.#answer(write);
      return;
    }
    this.#writes.set(header.readUInt32BE(AT.initiatorTag), write);
    const isFinal = ((header[1] ?? 0) & FINAL) !== 0;
    if (isFinal || this.#initialR2T) this.#requestData(write);
  }

  #requestData(write: Write): void {
    const left = write.data.length - write.arrived;
    const header = newHeader(OPCODE.r2t, FINAL, write.command.readUInt32BE(AT.initiatorTag));
    const sn = write.r2tSn;
    write.r2tSn += 1;
    header.writeUInt32BE(0xabcd_0000 + sn, AT.targetTag);
    header.writeUInt32BE(sn, AT.dataSn);
    header.writeUInt32BE(write.arrived, AT.bufferOffset);
    header.writeUInt32BE(Math.min(left, this.script.r2tBytes ?? left), AT.desiredBytes);
    this.say(header, Buffer.alloc(0), false);
  }

  #dataOut(header: Buffer, data: Buffer): void {
    const write = this.#writes.get(header.readUInt32BE(AT.initiatorTag));
    if (write === undefined) return;
    if (!this.script.discards) data.copy(write.data, header.readUInt32BE(AT.bufferOffset));
    write.arrived += data.length;
    const isUnsolicited = header.readUInt32BE(AT.targetTag) === NO_TAG;
    if (isUnsolicited && write.arrived > this.#firstBurstBytes)
      throw new Error('first burst exceeded');
    if (write.arrived === write.data.length) this.#answer(write);
    else if (((header[1] ?? 0) & FINAL) !== 0) this.#requestData(write);
  }

  #answer(write: Write): void {
    if (this.isHolding) {
      this.#heldAnswers.push(() => this.#answer(write));
      return;
    }
    const { command } = write;
    const tag = command.readUInt32BE(AT.initiatorTag);
    this.#writes.delete(tag);
    const answer =
      this.script.device?.({
        lun: command.readUInt16BE(AT.lun) & 0x3fff,
        cdb: command.subarray(AT.cdb, BHS_BYTES),
        dataOut: write.data,
      }) ?? {};
    if (answer === 'silent') return;
    const isRead = ((command[1] ?? 0) & 0x40) !== 0;
    this.#sendAnswer(tag, answer, isRead ? command.readUInt32BE(AT.expectedBytes) : 0);
  }

  #sendAnswer(tag: number, answer: DeviceAnswer, expected: number): void {
    const status = answer.status ?? (answer.sense ? 2 : 0);
    const all = answer.data ?? Buffer.alloc(0);
    const data = all.subarray(0, expected);
    const residual = Math.abs(expected - all.length);
    const residualFlag = all.length > expected ? 4 : all.length < expected ? 2 : 0;
    const collapses = status === 0 && !this.script.separateStatus && data.length > 0;
    const most = Math.min(this.script.dataInBytes ?? data.length, this.#initiatorSegmentBytes);
    for (let at = 0, sn = 0; at < data.length; at += most, sn += 1) {
      const isLast = at + most >= data.length;
      const header = newHeader(OPCODE.dataIn, isLast ? FINAL : 0, tag);
      header.writeUInt32BE(NO_TAG, AT.targetTag);
      header.writeUInt32BE(sn, AT.dataSn);
      header.writeUInt32BE(at, AT.bufferOffset);
      const piece = data.subarray(at, at + most);
      if (isLast && collapses) {
        header[1] = FINAL | 1 | residualFlag;
        header.writeUInt32BE(residual, AT.residual);
        this.say(header, piece);
      } else this.sayWithoutStatus(header, piece);
    }
    if (collapses) return;
    const header = newHeader(OPCODE.scsiResponse, FINAL | residualFlag, tag);
    header[AT.status] = status;
    header.writeUInt32BE(residual, AT.residual);
    const sense = answer.sense ?? Buffer.alloc(0);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(sense.length);
    this.say(header, sense.length > 0 ? Buffer.concat([length, sense]) : undefined);
  }

  #pong(request: Buffer, data: Buffer): void {
    const tag = request.readUInt32BE(AT.initiatorTag);
    if (tag === NO_TAG || this.script.ignoresPings) return;
    const header = newHeader(OPCODE.nopIn, FINAL, tag);
    header.writeUInt32BE(NO_TAG, AT.targetTag);
    this.say(header, data);
  }

  #manage(request: Buffer): void {
    const { taskManagement = 0 } = this.script;
    if (taskManagement === 'silent') return;
    const header = newHeader(
      OPCODE.taskManagementResponse,
      FINAL,
      request.readUInt32BE(AT.initiatorTag),
    );
    header[AT.response] = taskManagement;
    this.say(header);
  }

  #text(request: Buffer): void {
    const all =
      this.#rest ??
      encodeKeys([
        ['TargetName', TARGET_NAME],
        ['TargetAddress', '127.0.0.1:3260,1'],
        ['TargetAddress', '[::1]:860,2'],
        ['TargetName', 'iqn.2026-01.test.tapestry:other'],
      ]);
    const bytes = this.script.textBytes ?? all.length;
    const isLast = all.length <= bytes;
    this.#rest = isLast ? undefined : all.subarray(bytes);
    const tag = request.readUInt32BE(AT.initiatorTag);
    const header = newHeader(OPCODE.textResponse, isLast ? FINAL : 0x40, tag);
    header.writeUInt32BE(isLast ? NO_TAG : 5, AT.targetTag);
    this.say(header, all.subarray(0, bytes));
  }

  #reply(opcode: number, request: Buffer): void {
    this.say(newHeader(opcode, FINAL, request.readUInt32BE(AT.initiatorTag)));
  }

  /** How much data each PDU with this opcode carried. */
  sizesOf(opcode: number): number[] {
    return this.seen
      .filter((pdu) => pdu.opcode === opcode)
      .map(({ header }) => dataBytesOf(header));
  }
}
