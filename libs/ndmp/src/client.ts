// The NDMP client over any transport: what a DMA asks, with what the versions do differently behind it.
// One client is one connection, which client-connection.ts runs.

import { randomBytes } from 'node:crypto';
import type { NdmpAddress } from './addresses.ts';
import { CHALLENGE_BYTES, md5Answer, sameSecret } from './authentication.ts';
import { ClientConnection, type NdmpClientOptions } from './client-connection.ts';
import {
  attrsFromV2,
  type Call,
  type CallOptions,
  MoverClient,
  ScsiClient,
  TapeClient,
} from './client-services.ts';
import { AUTH_TYPE, NDMP_ERROR } from './constants.ts';
import type { NdmpVersion, ReplyBody, RequestBody, RequestName } from './messages.ts';
import { isRefusal, NdmpError } from './ndmp-error.ts';
import type {
  ButypeInfo,
  ClassChoice,
  ClassOffer,
  DeviceInfo,
  NameEntry,
  Pval,
} from './structures.ts';

export interface RecoverRequest {
  butype: string;
  /** The environment saved with the image, restore variables last. */
  env: Pval[];
  names: NameEntry[];
}

/** Backup types that servers of v2 days had. */
const BUTYPE_CANDIDATES: readonly string[] = ['dump', 'tar', 'cpio'];

export class NdmpClient {
  readonly tape: TapeClient;
  readonly mover: MoverClient;
  readonly scsi: ScsiClient;
  readonly #connection: ClientConnection;
  /** Where the stream goes: v2 says it with the start. */
  #dataPeer: NdmpAddress = { type: 'local' };

  constructor(options: NdmpClientOptions) {
    const call: Call = (name, body, callOptions) => this.call(name, body, callOptions);
    const mover = new MoverClient(call, () => this.version);
    this.tape = new TapeClient(call);
    this.mover = mover;
    this.scsi = new ScsiClient(call);
    const { handlers } = options;
    this.#connection = new ClientConnection({
      ...options,
      handlers: {
        onLogMessage: (message) => handlers?.onLogMessage?.(message),
        onLogFile: (file) => handlers?.onLogFile?.(file),
        onHistory: (post) => handlers?.onHistory?.(post),
        onClose: (error) => handlers?.onClose?.(error),
        onNotify(notification) {
          if (notification.name === 'notifyMoverPaused') {
            notification.body.reason = mover.pauseReason(notification.body);
          }
          handlers?.onNotify?.(notification);
        },
      },
    });
  }

  get version(): NdmpVersion {
    return this.#connection.version;
  }

  get isClosed(): boolean {
    return this.#connection.isClosed;
  }

  /**
   * Waits for the server's greeting and settles the version: the lower of what it offers and
   * `versionMax`, one lower on refusal. Rejects with "refused" when the server takes no connection.
   */
  connectOpen(
    options: CallOptions & { versionMax?: NdmpVersion } = {},
  ): Promise<{ version: NdmpVersion; text: string }> {
    return this.#connection.open(options);
  }

  /** Asks for a challenge and answers it. Rejects with notAuthorized on a wrong user or password. */
  async authMd5(user: string, password: string, options: CallOptions = {}): Promise<void> {
    const { attr } = await this.call('configGetAuthAttr', { authType: AUTH_TYPE.md5 }, options);
    if (attr.challenge === undefined) {
      throw new NdmpError('refused', 'configGetAuthAttr', {
        error: NDMP_ERROR.illegalArgs,
        text: 'the server gave no MD5 challenge',
      });
    }
    const digest = md5Answer(password, attr.challenge);
    await this.call('connectClientAuth', { auth: { type: 'md5', user, digest } }, options);
  }

  /** Sends the password in clear: only where the operator allowed it. */
  async authText(user: string, password: string, options: CallOptions = {}): Promise<void> {
    await this.call('connectClientAuth', { auth: { type: 'text', user, password } }, options);
  }

  /**
   * Has the server prove that it knows the password of `user`, after this side has. Rejects with
   * notAuthorized where it does not; many servers answer notSupported.
   */
  async verifyServer(user: string, password: string, options: CallOptions = {}): Promise<void> {
    const challenge = randomBytes(CHALLENGE_BYTES);
    const attr = { authType: AUTH_TYPE.md5, challenge };
    const { result } = await this.call('connectServerAuth', { attr }, options);
    const isProved =
      result.type === 'md5' &&
      result.user === user &&
      sameSecret(result.digest, md5Answer(password, challenge));
    if (isProved) return;
    throw new NdmpError('refused', 'connectServerAuth', {
      error: NDMP_ERROR.notAuthorized,
      text: 'the server does not know the password',
    });
  }

  getHostInfo(options?: CallOptions): Promise<ReplyBody<'configGetHostInfo'>> {
    return this.call('configGetHostInfo', {}, options);
  }

  /** v2 names nobody: only the log-in methods are known. */
  async getServerInfo(options?: CallOptions): Promise<ReplyBody<'configGetServerInfo'>> {
    if (this.version > 2) return this.call('configGetServerInfo', {}, options);
    const { authTypes } = await this.getHostInfo(options);
    return { error: 0, vendor: '', product: '', revision: '', authTypes: authTypes ?? [] };
  }

  /** v2 has no list: there it is asked for each of `candidates`. */
  async getButypeInfo(
    options?: CallOptions,
    candidates: readonly string[] = BUTYPE_CANDIDATES,
  ): Promise<ReplyBody<'configGetButypeInfo'>> {
    if (this.version > 2) return this.call('configGetButypeInfo', {}, options);
    const butypes: ButypeInfo[] = [];
    for (const name of candidates) {
      const attrs = await this.#butypeAttrs(name, options);
      if (attrs !== undefined) butypes.push({ name, defaultEnv: [], attrs });
    }
    return { error: 0, butypes };
  }

  getFsInfo(options?: CallOptions): Promise<ReplyBody<'configGetFsInfo'>> {
    return this.call('configGetFsInfo', {}, options);
  }

  getConnectionTypes(options?: CallOptions): Promise<ReplyBody<'configGetConnectionType'>> {
    return this.call('configGetConnectionType', {}, options);
  }

  async getTapeInfo(options?: CallOptions): Promise<DeviceInfo[]> {
    return (await this.call('configGetTapeInfo', {}, options)).devices;
  }

  async getScsiInfo(options?: CallOptions): Promise<DeviceInfo[]> {
    return (await this.call('configGetScsiInfo', {}, options)).devices;
  }

  /**
   * The extension classes that the server offers; none before v4. Some servers never answer: give a
   * short `timeoutMs`.
   */
  async getExtensions(options?: CallOptions): Promise<ClassOffer[]> {
    if (this.version < 4) return [];
    return (await this.call('configGetExtList', {}, options)).classes;
  }

  /** Chooses classes, once, after `getExtensions`. */
  async setExtensions(selected: ClassChoice[], options?: CallOptions): Promise<void> {
    await this.call('configSetExtList', { selected }, options);
  }

  /**
   * Chooses what the server offers of `wanted`, and resolves with that: with nothing where it has no
   * extensions. Once a connection, and before anything of an extension is used. With IPV6_CLASS chosen,
   * ADDR_TYPE.tcp6 can be listened at and connected to. Some servers never answer: give a short `timeoutMs`.
   */
  async negotiate(
    wanted: readonly ClassChoice[],
    options?: CallOptions,
  ): Promise<readonly ClassChoice[]> {
    let offered: ClassOffer[] = [];
    try {
      offered = await this.getExtensions(options);
    } catch (error) {
      if (!isRefusal(error, NDMP_ERROR.notSupported)) throw error;
    }
    const chosen = wanted.filter(({ classId, version }) =>
      offered.some((each) => each.classId === classId && each.versions.includes(version)),
    );
    if (chosen.length > 0) await this.setExtensions([...chosen], options);
    return chosen;
  }

  /** TEST_ECHO of the test extension; `short` in its version 2. */
  async testEcho(body: RequestBody<'testEcho'>, options?: CallOptions) {
    return this.call('testEcho', body, options);
  }

  /** The server opens a data listener; resolves with where it may be reached. `addressType`: ADDR_TYPE. */
  async dataListen(addressType: number, options?: CallOptions): Promise<NdmpAddress> {
    return (await this.call('dataListen', { addressType }, options)).address;
  }

  /**
   * The server connects to `address`; resolves when the connection stands. In v2 it is the start of
   * the operation that connects, and that fails where the connection does.
   */
  async dataConnect(address: NdmpAddress, options?: CallOptions): Promise<void> {
    this.#dataPeer = address;
    if (this.version > 2) await this.call('dataConnect', { address }, options);
  }

  /** Resolves when the backup runs; its end is notifyDataHalted. */
  async startBackup(
    request: { butype: string; env: Pval[] },
    options?: CallOptions,
  ): Promise<void> {
    await this.call('dataStartBackup', { ...request, mover: this.#dataPeer }, options);
  }

  /** Resolves when the recovery runs; answer each notifyDataRead by sending that range. */
  async startRecover(request: RecoverRequest, options?: CallOptions): Promise<void> {
    await this.call('dataStartRecover', { ...request, mover: this.#dataPeer }, options);
  }

  /** Like startRecover, but the server only posts the image's history. */
  async startRecoverHistory(request: RecoverRequest, options?: CallOptions): Promise<void> {
    const body = { ...request, mover: this.#dataPeer };
    await this.call('dataStartRecoverFileHistory', body, options);
  }

  /** DATA_ABORT. NDMJOB refuses it (illegalState) unless an operation is active. */
  async abort(options?: CallOptions): Promise<void> {
    await this.call('dataAbort', {}, options);
  }

  /** DATA_GET_STATE. */
  getState(options?: CallOptions): Promise<ReplyBody<'dataGetState'>> {
    return this.call('dataGetState', {}, options);
  }

  /** DATA_GET_ENV: ask after the halt and before stop, and keep every pair as it came. */
  async getEnv(options?: CallOptions): Promise<Pval[]> {
    return (await this.call('dataGetEnv', {}, options)).env;
  }

  /** DATA_STOP: back to idle, legal only in state halted. */
  async stop(options?: CallOptions): Promise<void> {
    await this.call('dataStop', {}, options);
  }

  /** Says CONNECT_CLOSE and ends the connection, without waiting for the server. */
  close(): void {
    this.#connection.close();
  }

  /**
   * Any request of the table. Resolves with the reply's body; rejects with NdmpError. A call that
   * timed out or was cancelled leaves the connection usable, its late reply is dropped.
   */
  call<N extends RequestName>(
    name: N,
    body: RequestBody<N>,
    options: CallOptions = {},
  ): Promise<ReplyBody<N>> {
    return this.#connection.call(name, body, options);
  }

  async #butypeAttrs(name: string, options?: CallOptions): Promise<number | undefined> {
    try {
      return attrsFromV2((await this.call('configGetButypeAttr', { name }, options)).attrs);
    } catch (error) {
      if (error instanceof NdmpError && error.failure === 'refused') return undefined;
      throw error;
    }
  }
}
