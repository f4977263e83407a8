// The full-feature phase of one connection (RFC 7143): commands within the target's window, their data both ways, task
// management, pings, messages of the target. Pure: PDUs in, buffers out; the clock and the socket are the caller's.

import { IscsiError, protocolError } from '../iscsi-error.ts';
import type { Negotiated } from '../login/operational-keys.ts';
import { sliceParts } from '../wire/parts.ts';
import {
  AT,
  encodePdu,
  FINAL,
  IMMEDIATE,
  NO_TAG,
  newHeader,
  OPCODE,
  opcodeOf,
} from '../wire/pdu.ts';
import { serialDifference, serialNext } from '../wire/serial-number.ts';
import { TextCollector } from '../wire/text-keys.ts';
import { type CommandOutcome, CommandTask, HAS_STATUS, type ScsiCommand } from './command-task.ts';
import { type AsyncEvent, decodeAsync, rejectReason } from './target-messages.ts';

const TASK_FUNCTION = {
  abortTask: 1,
  abortTaskSet: 2,
  clearTaskSet: 4,
  lunReset: 5,
  targetWarmReset: 6,
  targetColdReset: 7,
} as const;

export type EndTasks = Exclude<keyof typeof TASK_FUNCTION, 'abortTask'>;

export interface FullFeatureEvents {
  /** Buffers for the wire, in order; not to be changed by us afterwards. */
  readonly send: (parts: readonly Uint8Array[]) => void;
  readonly onAsync: (event: AsyncEvent) => void;
}

export interface FullFeatureOptions {
  readonly negotiated: Negotiated;
  readonly cmdSn: number;
  readonly expStatSn: number;
  /** The last that the target takes, from the end of the login. */
  readonly maxCmdSn: number;
  /** Commands under way and waiting for the window, both together. */
  readonly commandsMax: number;
  readonly events: FullFeatureEvents;
}

/** The answer to a request that is not a SCSI command: its header (valid during the call) and text, or the failure. */
export type Reply = { readonly header: Buffer; readonly text: Buffer } | IscsiError;

type Handler = (header: Buffer, data: Buffer) => void;

interface PendingRequest {
  readonly opcode: number;
  readonly text: TextCollector;
  readonly settle: (reply: Reply) => void;
}

const SIMPLE_TASK = 0x01;
const READ = 0x40;
const WRITE = 0x20;
const CONTINUE = 0x40;
const NOTHING: Buffer = Buffer.alloc(0);
const PING_BYTES_MAX = 4096;

export class FullFeature {
  readonly #options: FullFeatureOptions;
  readonly #tasks = new Map<number, CommandTask>();
  readonly #waiting: CommandTask[] = [];
  readonly #requests = new Map<number, PendingRequest>();
  readonly #handlers: Readonly<Record<number, Handler>> = {
    [OPCODE.scsiResponse]: (header, data) => this.#onScsiResponse(header, data),
    [OPCODE.dataIn]: (header, data) => this.#onDataIn(header, data),
    [OPCODE.r2t]: (header) => this.#onR2t(header),
    [OPCODE.taskManagementResponse]: (header, data) => this.#onReply(header, data),
    [OPCODE.textResponse]: (header, data) => this.#onReply(header, data),
    [OPCODE.logoutResponse]: (header, data) => this.#onReply(header, data),
    [OPCODE.nopIn]: (header, data) => this.#onNopIn(header, data),
    [OPCODE.asyncMessage]: (header, data) => this.#onAsync(header, data),
    [OPCODE.reject]: (header, data) => this.#onReject(header, data),
  };
  #cmdSn: number;
  #expStatSn: number;
  #maxCmdSn: number;
  #nextTag = 1;
  #ended: IscsiError | undefined;

  constructor(options: FullFeatureOptions) {
    this.#options = options;
    this.#cmdSn = options.cmdSn;
    this.#expStatSn = options.expStatSn;
    this.#maxCmdSn = options.maxCmdSn;
  }

  get busyCount(): number {
    return this.#tasks.size + this.#requests.size;
  }

  /** Sends the command as soon as the target's window allows; `settle` is called once. Answers its tag. */
  submit(command: ScsiCommand, settle: (outcome: CommandOutcome) => void): number {
    const task = new CommandTask(this.#newTag(), command, settle);
    if (this.#ended) task.fail(this.#ended);
    else if (this.#tasks.size >= this.#options.commandsMax) {
      task.fail(new IscsiError('busy', `${this.#tasks.size} commands are under way`));
    } else {
      this.#tasks.set(task.tag, task);
      this.#waiting.push(task);
      this.#sendWaiting();
    }
    return task.tag;
  }

  /** Takes back a command that still waits for the window; false when it was sent or has ended. */
  withdraw(tag: number): boolean {
    const at = this.#waiting.findIndex((task) => task.tag === tag);
    if (at < 0) return false;
    const [task] = this.#waiting.splice(at, 1);
    this.#tasks.delete(tag);
    task?.fail(new IscsiError('timedOut', 'the target left no room for the command'));
    return true;
  }

  /** The LUN as in the command. `settle` gets the response code in byte 2 of the header; ended tasks are failed first. */
  abortTask(tag: number, settle: (reply: Reply) => void): void {
    const task = this.#tasks.get(tag);
    const lun = task?.command.lun ?? Buffer.alloc(8);
    const header = this.#request(
      OPCODE.taskManagement,
      FINAL | TASK_FUNCTION.abortTask,
      (reply) => {
        if (!(reply instanceof IscsiError)) this.#dropAborted((each) => each.tag === tag, reply);
        settle(reply);
      },
    );
    lun.copy(header, AT.lun);
    header.writeUInt32BE(tag, AT.referencedTag);
    header.writeUInt32BE(task?.cmdSn ?? 0, AT.refCmdSn);
    this.#sendImmediate(header, []);
  }

  /** Ends the commands of one device, or with `targetWarmReset` and `targetColdReset` of all. As `abortTask` otherwise. */
  endTasks(what: EndTasks, lun: Buffer, settle: (reply: Reply) => void): void {
    const isOfAll = what === 'targetWarmReset' || what === 'targetColdReset';
    const isMeant = (task: CommandTask): boolean => isOfAll || task.command.lun.equals(lun);
    const flags = FINAL | TASK_FUNCTION[what];
    const header = this.#request(OPCODE.taskManagement, flags, (reply) => {
      if (!(reply instanceof IscsiError)) this.#dropAborted(isMeant, reply);
      settle(reply);
    });
    if (!isOfAll) lun.copy(header, AT.lun);
    header.writeUInt32BE(NO_TAG, AT.referencedTag);
    this.#sendImmediate(header, []);
  }

  ping(settle: (reply: Reply) => void): void {
    const header = this.#request(OPCODE.nopOut, FINAL, settle);
    header.writeUInt32BE(NO_TAG, AT.targetTag);
    this.#sendImmediate(header, []);
  }

  /** Asks the target to end the session; afterwards the connection is closed. */
  logout(settle: (reply: Reply) => void): void {
    this.#sendImmediate(this.#request(OPCODE.logout, FINAL, settle), []);
  }

  /** A text request, for discovery; a long answer is fetched piece by piece. */
  text(text: Buffer, settle: (reply: Reply) => void): void {
    const header = this.#request(OPCODE.text, FINAL, settle);
    header.writeUInt32BE(NO_TAG, AT.targetTag);
    this.#sendImmediate(header, [text]);
  }

  place(header: Buffer): Buffer | undefined {
    if (opcodeOf(header) !== OPCODE.dataIn) return undefined;
    return this.#task(header).placeDataIn(header);
  }

  /** One PDU of the target. Throws when it breaks the rules; then the connection must end by `end`. */
  receive(header: Buffer, data: Buffer): void {
    const opcode = opcodeOf(header);
    const handler = this.#handlers[opcode];
    if (handler === undefined) throw protocolError(`a PDU with opcode ${opcode}`);
    this.#noteStatSn(header, opcode);
    this.#noteWindow(header);
    handler(header, data);
    this.#sendWaiting();
  }

  /** Nothing comes back any more: everything under way fails, and says whether it was sent. */
  end(error: IscsiError): void {
    if (this.#ended) return;
    this.#ended = error;
    const tasks = [...this.#tasks.values()];
    const requests = [...this.#requests.values()];
    this.#tasks.clear();
    this.#requests.clear();
    this.#waiting.length = 0;
    for (const task of tasks) task.fail(error);
    for (const request of requests) request.settle(error);
  }

  #newTag(): number {
    while (this.#tasks.has(this.#nextTag) || this.#requests.has(this.#nextTag)) this.#skipTag();
    const tag = this.#nextTag;
    this.#skipTag();
    return tag;
  }

  #skipTag(): void {
    this.#nextTag = this.#nextTag >= NO_TAG - 1 ? 1 : this.#nextTag + 1;
  }

  #request(opcode: number, flags: number, settle: (reply: Reply) => void): Buffer {
    const tag = this.#newTag();
    if (this.#ended) settle(this.#ended);
    else this.#requests.set(tag, { opcode, settle, text: new TextCollector() });
    return newHeader(opcode | IMMEDIATE, flags, tag);
  }

  #sendImmediate(header: Buffer, data: readonly Uint8Array[]): void {
    header.writeUInt32BE(this.#cmdSn, AT.cmdSn);
    header.writeUInt32BE(this.#expStatSn, AT.expStatSn);
    this.#send(header, data);
  }

  #send(header: Buffer, data: readonly Uint8Array[]): void {
    if (this.#ended) return;
    const { headerDigest, dataDigest } = this.#options.negotiated;
    this.#options.events.send(encodePdu(header, data, { header: headerDigest, data: dataDigest }));
  }

  #sendWaiting(): void {
    while (!this.#ended && serialDifference(this.#cmdSn, this.#maxCmdSn) <= 0) {
      const task = this.#waiting.shift();
      if (task === undefined) return;
      this.#sendCommand(task);
    }
  }

  /** The command, the data that go with it, and the data that may follow without being asked for (RFC 7143, 11.3.4). */
  #sendCommand(task: CommandTask): void {
    const { immediateData, initialR2T, firstBurstBytes, sendSegmentBytes } =
      this.#options.negotiated;
    const firstBytes = Math.min(task.outBytes, firstBurstBytes);
    const immediateBytes = immediateData ? Math.min(firstBytes, sendSegmentBytes) : 0;
    const unsolicitedBytes = initialR2T ? 0 : firstBytes - immediateBytes;
    const direction = task.command.dataIn ? READ : task.outBytes > 0 ? WRITE : 0;
    const final = unsolicitedBytes > 0 ? 0 : FINAL;
    const header = newHeader(OPCODE.scsiCommand, final | direction | SIMPLE_TASK, task.tag);
    task.command.lun.copy(header, AT.lun);
    header.writeUInt32BE(task.expectedBytes, AT.expectedBytes);
    header.writeUInt32BE(this.#cmdSn, AT.cmdSn);
    header.writeUInt32BE(this.#expStatSn, AT.expStatSn);
    header.set(task.command.cdb, AT.cdb);
    task.cmdSn = this.#cmdSn;
    task.isSent = true;
    this.#cmdSn = serialNext(this.#cmdSn);
    task.noteUnsolicited(immediateBytes + unsolicitedBytes);
    this.#send(header, sliceParts(task.command.dataOut ?? [], 0, immediateBytes));
    if (unsolicitedBytes > 0) {
      this.#sendDataOut(task, { offset: immediateBytes, bytes: unsolicitedBytes }, NO_TAG);
    }
  }

  #sendDataOut(
    task: CommandTask,
    range: { offset: number; bytes: number },
    targetTag: number,
  ): void {
    const { sendSegmentBytes } = this.#options.negotiated;
    const end = range.offset + range.bytes;
    let dataSn = 0;
    for (let offset = range.offset; offset < end; offset += sendSegmentBytes) {
      const bytes = Math.min(sendSegmentBytes, end - offset);
      const header = newHeader(OPCODE.dataOut, offset + bytes === end ? FINAL : 0, task.tag);
      task.command.lun.copy(header, AT.lun);
      header.writeUInt32BE(targetTag, AT.targetTag);
      header.writeUInt32BE(this.#expStatSn, AT.expStatSn);
      header.writeUInt32BE(dataSn, AT.dataSn);
      header.writeUInt32BE(offset, AT.bufferOffset);
      this.#send(header, sliceParts(task.command.dataOut ?? [], offset, bytes));
      dataSn += 1;
    }
  }

  /** Each status has the next number; a gap is a lost answer, and at this recovery level the end. */
  #noteStatSn(header: Buffer, opcode: number): void {
    if (opcode === OPCODE.r2t) return;
    if (opcode === OPCODE.dataIn && ((header[AT.flags] ?? 0) & HAS_STATUS) === 0) return;
    // A ping of the target tells the next number and does not use it.
    if (opcode === OPCODE.nopIn && header.readUInt32BE(AT.initiatorTag) === NO_TAG) return;
    if (header.readUInt32BE(AT.statSn) !== this.#expStatSn)
      throw protocolError('a status is missing');
    this.#expStatSn = serialNext(this.#expStatSn);
  }

  #noteWindow(header: Buffer): void {
    const expCmdSn = header.readUInt32BE(AT.expCmdSn);
    const maxCmdSn = header.readUInt32BE(AT.maxCmdSn);
    if (serialDifference(maxCmdSn, expCmdSn) < -1) return;
    if (serialDifference(maxCmdSn, this.#maxCmdSn) > 0) this.#maxCmdSn = maxCmdSn;
  }

  #task(header: Buffer): CommandTask {
    const task = this.#tasks.get(header.readUInt32BE(AT.initiatorTag));
    if (!task?.isSent) throw protocolError('an answer to a command that is not under way');
    return task;
  }

  #onScsiResponse(header: Buffer, data: Buffer): void {
    const task = this.#task(header);
    const senseBytes = data.length < 2 ? 0 : data.readUInt16BE(0);
    if (senseBytes > data.length - 2 && data.length > 0) throw protocolError('a cut sense');
    this.#tasks.delete(task.tag);
    if (header[AT.response] !== 0) {
      task.fail(
        new IscsiError('refused', `the target failed with response ${header[AT.response]}`),
      );
    } else {
      task.respond(header, Buffer.from(data.subarray(2, 2 + senseBytes)));
    }
  }

  #onDataIn(header: Buffer, data: Buffer): void {
    const task = this.#task(header);
    task.noteDataIn(data);
    if (((header[AT.flags] ?? 0) & HAS_STATUS) === 0) return;
    this.#tasks.delete(task.tag);
    task.respond(header, NOTHING);
  }

  #onR2t(header: Buffer): void {
    const task = this.#task(header);
    const range = task.grant(header, this.#options.negotiated.maxBurstBytes);
    this.#sendDataOut(task, range, header.readUInt32BE(AT.targetTag));
  }

  #onReply(header: Buffer, data: Buffer): void {
    const tag = header.readUInt32BE(AT.initiatorTag);
    const request = this.#requests.get(tag);
    if (request === undefined || REPLY_TO[opcodeOf(header)] !== request.opcode) {
      throw protocolError('a reply to nothing that was asked');
    }
    request.text.add(data);
    const flags = header[AT.flags] ?? 0;
    if (request.opcode === OPCODE.text && (flags & CONTINUE || (flags & FINAL) === 0)) {
      const more = newHeader(OPCODE.text | IMMEDIATE, FINAL, tag);
      header.copy(more, AT.targetTag, AT.targetTag, AT.targetTag + 4);
      header.copy(more, AT.lun, AT.lun, AT.lun + 8);
      this.#sendImmediate(more, []);
      return;
    }
    this.#requests.delete(tag);
    request.settle({ header, text: request.text.take() });
  }

  #onNopIn(header: Buffer, data: Buffer): void {
    const targetTag = header.readUInt32BE(AT.targetTag);
    if (header.readUInt32BE(AT.initiatorTag) !== NO_TAG) this.#onReply(header, data);
    else if (targetTag !== NO_TAG) this.#pong(header, targetTag, data);
  }

  #pong(header: Buffer, targetTag: number, data: Buffer): void {
    const pong = newHeader(OPCODE.nopOut | IMMEDIATE, FINAL, NO_TAG);
    header.copy(pong, AT.lun, AT.lun, AT.lun + 8);
    pong.writeUInt32BE(targetTag, AT.targetTag);
    const { sendSegmentBytes } = this.#options.negotiated;
    this.#sendImmediate(pong, [data.subarray(0, Math.min(PING_BYTES_MAX, sendSegmentBytes))]);
  }

  #onAsync(header: Buffer, data: Buffer): void {
    const event = decodeAsync(header, data);
    if (event.kind === 'tasksEnded') {
      const lun = Buffer.from(header.subarray(AT.lun, AT.lun + 8));
      const error = new IscsiError('aborted', 'the target ended all commands of the device');
      this.#drop((task) => task.isSent && task.command.lun.equals(lun), error);
    }
    this.#options.events.onAsync(event);
  }

  /** The target refuses a PDU of ours. Only what asks nothing of a device can be refused without an end. */
  #onReject(header: Buffer, data: Buffer): void {
    const error = protocolError(`the target rejects a PDU: ${rejectReason(header)}`);
    const opcode = data.length >= 48 ? opcodeOf(data) : -1;
    const tag = data.length >= 48 ? data.readUInt32BE(AT.initiatorTag) : NO_TAG;
    const request = this.#requests.get(tag);
    if (request === undefined || request.opcode !== opcode) throw error;
    this.#requests.delete(tag);
    request.settle(error);
  }

  #dropAborted(isMeant: (task: CommandTask) => boolean, { header }: { header: Buffer }): void {
    const response = header[AT.response] ?? 0;
    // 0: done. 1: there is no such task, so it has ended and no status comes any more.
    if (response > 1) return;
    this.#drop(
      (task) => task.isSent && isMeant(task),
      new IscsiError('aborted', 'the command was aborted'),
    );
  }

  #drop(isMeant: (task: CommandTask) => boolean, error: IscsiError): void {
    for (const task of [...this.#tasks.values()].filter(isMeant)) {
      this.#tasks.delete(task.tag);
      task.fail(error);
    }
  }
}

const REPLY_TO: Readonly<Record<number, number>> = {
  [OPCODE.taskManagementResponse]: OPCODE.taskManagement,
  [OPCODE.textResponse]: OPCODE.text,
  [OPCODE.logoutResponse]: OPCODE.logout,
  [OPCODE.nopIn]: OPCODE.nopOut,
};
