// Performs what the machines want of drive, robot and mover over the ports, and tells what came of
// it. One object a session; it decides nothing but the order of calls that one effect needs.

import { NDMP_ERROR, TAPE_MTIO } from './constants.ts';
import type {
  CdbOrder,
  MoverProgress,
  MoverPump,
  ScsiDevice,
  ScsiPort,
  TapeDrive,
  TapePort,
} from './server-ports.ts';
import type { DeviceEffect, DeviceRules, ServerEvent } from './server-state.ts';
import type { DeviceInfo } from './structures.ts';

export interface SessionDevicesOptions {
  readonly tapes?: TapePort;
  readonly robots?: ScsiPort;
  readonly pump?: MoverPump;
}

type DeviceCall = Extract<DeviceEffect, { do: 'device' }>;
type Body = Record<string, unknown>;

const OK = NDMP_ERROR.noError;
const CLOSED: Body = { error: NDMP_ERROR.deviceNotOpen };
const EFFECTS: ReadonlySet<string> = new Set<DeviceEffect['do']>([
  'device',
  'releaseDevice',
  'moverListen',
  'moverConnect',
  'moverRun',
  'moverRead',
  'moverClose',
  'moverAbort',
  'moverRelease',
]);

export function isDeviceEffect(effect: { readonly do: string }): effect is DeviceEffect {
  return EFFECTS.has(effect.do);
}

export class SessionDevices {
  readonly #ports: SessionDevicesOptions;
  #drive: TapeDrive | undefined;
  #robot: ScsiDevice | undefined;
  /** The tape may be used again once the mover that was ended has let go of it. */
  #letGo: Promise<void> = Promise.resolve();
  /** Devices are asked one thing at a time, also when the session ends in the middle. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(ports: SessionDevicesOptions) {
    this.#ports = ports;
  }

  /** For ServerFacts.moverProgress. */
  progress(): MoverProgress {
    const none = { bytesMoved: 0n, recordNumber: 0, bytesLeftToRead: 0n };
    return this.#ports.pump?.progress() ?? none;
  }

  /** For the replies to CONFIG_GET_TAPE_INFO and CONFIG_GET_SCSI_INFO. */
  async list(service: 'tape' | 'scsi'): Promise<DeviceInfo[]> {
    return (await (service === 'tape' ? this.#ports.tapes : this.#ports.robots)?.list()) ?? [];
  }

  /**
   * Does what the machine wants. Resolves with the event to feed back, or with undefined where the
   * effect has no outcome. Never rejects: a port that throws is answered for with `undefined`.
   */
  async perform(effect: DeviceEffect): Promise<ServerEvent | undefined> {
    try {
      return await this.#perform(effect);
    } catch (error) {
      if (effect.do === 'releaseDevice') return undefined;
      const text = `${effect.do} failed: ${error instanceof Error ? error.message : 'unknown'}`;
      return { type: 'failed', error: NDMP_ERROR.undefined, text };
    }
  }

  async #perform(effect: DeviceEffect): Promise<ServerEvent | undefined> {
    const { pump } = this.#ports;
    switch (effect.do) {
      case 'device':
        return { type: 'answered', body: await this.#inTurn(() => this.#call(effect)) };
      case 'releaseDevice':
        await this.#inTurn(() => this.#release(effect.rules));
        return undefined;
      case 'moverListen':
        return opened('moverListening', (await pump?.listen(effect.addressType)) ?? NONE);
      case 'moverConnect':
        return opened('moverConnected', (await pump?.connect(effect.address)) ?? NONE);
      case 'moverRun':
        await this.#letGo;
        if (this.#drive !== undefined) pump?.run(effect.order, this.#drive);
        return undefined;
      case 'moverRead':
        pump?.read(effect.offset, effect.length);
        return undefined;
      case 'moverClose':
        pump?.close();
        return undefined;
      case 'moverAbort':
        this.#letGo = pump?.abort() ?? this.#letGo;
        return undefined;
      case 'moverRelease':
        pump?.release();
        return undefined;
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const letGo = this.#letGo;
    const turn = this.#last.then(() => letGo).then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #call(effect: DeviceCall): Promise<Body> {
    const { name, body, rules } = effect;
    if (name === 'tapeOpen') return this.#openTape(String(body.device), Number(body.mode));
    if (name === 'scsiOpen') return this.#openRobot(String(body.device));
    if (this.#drive !== undefined && name.startsWith('tape')) {
      return this.#onTape(this.#drive, effect, rules);
    }
    return this.#robot === undefined ? CLOSED : this.#onRobot(this.#robot, effect);
  }

  async #openTape(device: string, mode: number): Promise<Body> {
    const opened = await this.#ports.tapes?.open(device, mode);
    this.#drive = opened?.drive;
    const blockSize = await blockSizeOf(this.#drive);
    return { error: opened?.error ?? NDMP_ERROR.noDevice, blockSize };
  }

  async #openRobot(name: string): Promise<Body> {
    const opened = await this.#ports.robots?.open(name);
    this.#robot = opened?.device;
    return { error: opened?.error ?? NDMP_ERROR.noDevice };
  }

  async #onTape(drive: TapeDrive, { name, body }: DeviceCall, rules: DeviceRules): Promise<Body> {
    const { crossing } = rules;
    if (rules.markFirst && !rules.discard) {
      const error = await writeMark(drive);
      if (error !== OK) return { error, residualCount: Number(body.count ?? 0) };
    }
    switch (name) {
      case 'tapeClose':
        return this.#closeTape(drive, rules.discard ? 'discard' : 'flush');
      case 'tapeGetState':
        return { error: OK, ...(await drive.status()) };
      case 'tapeMtio':
        return space(drive, body as { operation: number; count: number }, crossing);
      case 'tapeWrite':
        return { ...(await drive.write(body.data as Buffer)) };
      case 'tapeRead':
        return { ...(await drive.read({ sizeBytes: Number(body.count), crossing })) };
      default:
        return { ...(await drive.executeCdb(body as unknown as CdbOrder)) };
    }
  }

  async #closeTape(drive: TapeDrive, how: 'flush' | 'discard'): Promise<Body> {
    const { error } = await drive.close(how);
    if (error === OK || how === 'discard') this.#drive = undefined;
    return { error: how === 'discard' ? OK : error };
  }

  async #onRobot(robot: ScsiDevice, { name, body }: DeviceCall): Promise<Body> {
    switch (name) {
      case 'scsiClose':
        this.#robot = undefined;
        await robot.close();
        return { error: OK };
      case 'scsiGetState':
        return { ...(await robot.target()) };
      case 'scsiSetTarget': {
        const { device, controller, id, lun } = body as Record<string, number>;
        const target = { controller: controller ?? 0, id: id ?? 0, lun: lun ?? 0 };
        return { ...(await robot.setTarget(String(device), target)) };
      }
      case 'scsiResetDevice':
        return { ...(await robot.resetDevice()) };
      case 'scsiResetBus':
        return { ...(await robot.resetBus()) };
      default:
        return { ...(await robot.executeCdb(body as unknown as CdbOrder)) };
    }
  }

  /** The connection ended: TAPE_CLOSE as far as it goes, and then without I/O. */
  async #release(rules: DeviceRules): Promise<void> {
    const drive = this.#drive;
    const robot = this.#robot;
    this.#drive = undefined;
    this.#robot = undefined;
    if (drive !== undefined) await closeAnyhow(drive, rules);
    await robot?.close();
  }
}

const NONE = { error: NDMP_ERROR.notSupported };

function opened(
  type: 'moverListening' | 'moverConnected',
  { error, address }: Awaited<ReturnType<MoverPump['listen']>>,
): ServerEvent {
  if (error === OK && address !== undefined) return { type, address };
  return { type: 'failed', error: error === OK ? NDMP_ERROR.connect : error };
}

/** The mover's records must suit the drive's blocks. One that cannot tell is not kept closed for it. */
async function blockSizeOf(drive: TapeDrive | undefined): Promise<number> {
  try {
    return (await drive?.status())?.blockSize ?? 0;
  } catch {
    return 0;
  }
}

async function writeMark(drive: TapeDrive): Promise<number> {
  const operation = TAPE_MTIO.writeFilemarks;
  return (await drive.space({ operation, count: 1, crossing: false })).error;
}

async function space(
  drive: TapeDrive,
  { operation, count }: { operation: number; count: number },
  crossing: boolean,
): Promise<Body> {
  const isUncounted = operation >= TAPE_MTIO.rewind && operation !== TAPE_MTIO.writeFilemarks;
  if (count === 0 && !isUncounted) return { error: OK, residualCount: 0 };
  return { ...(await drive.space({ operation, count: isUncounted ? 1 : count, crossing })) };
}

async function closeAnyhow(drive: TapeDrive, rules: DeviceRules): Promise<void> {
  try {
    if (rules.markFirst) await writeMark(drive);
    const { error } = await drive.close('flush');
    if (error !== OK) await drive.close('discard');
  } catch {
    await drive.close('discard');
  }
}
