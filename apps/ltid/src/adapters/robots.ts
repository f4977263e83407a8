// The robots that this host uses: which there are (nbemm knows), their open libraries, and one move at a time in each. Those
// that another host controls are moved by its ltid.

import type { Client } from '@tapestry/bus';
import type { DriveSpec, RobotSpec } from '@tapestry/contracts';
import {
  awaitIscsiDrive,
  describeIscsiDevice,
  type IscsiPlace,
  isIscsiPath,
  type TargetUnit,
} from '@tapestry/iscsi';
import { StatusError } from '@tapestry/status';
import {
  type DriveOwner,
  type Library,
  openVirtualLibrary,
  parseVirtualDrivePath,
} from '@tapestry/storage';
import { anotherText, isAnother } from '../core/device-check.ts';
import { IscsiLibrary } from './iscsi-library.ts';
import { NdmpLibrary } from './ndmp-library.ts';
import { RemoteLibrary } from './remote-library.ts';
import { UnloadFirst } from './unload-first.ts';
import { type ArmMove, type Glance, type MovePhase, WatchedLibrary } from './watched-library.ts';

/** What a library module exports. */
export interface LibraryModule {
  openLibrary(path: string): Promise<Library>;
}

export interface RobotParts {
  readonly nbemm: Client<'nbemm'>;
  /** Moves the robots of NDMP hosts. */
  readonly agent: Client<'ndmpagent'>;
  /** The ltid of another host. */
  readonly ltidOf: (host: string) => Client<'ltid'>;
  readonly host: string;
  readonly modules: Readonly<Record<string, string>>;
  readonly moveTimeoutMs: number;
  readonly nowMs: () => number;
  /** Told of each move in a robot that this host controls. Must not throw. */
  readonly onMove: (robotNumber: number, move: ArmMove, phase: MovePhase) => void;
  /** How this host logs in to iSCSI targets. */
  readonly iscsi: IscsiPlace;
}

/** Work that may wait for one robot; more is refused. */
const QUEUE_MAX = 64;

interface OpenRobot {
  readonly path: string;
  readonly library: Library;
  /** Settles when the work before has come out of the library, however late. */
  last: Promise<unknown>;
  waiting: number;
}

export class Robots {
  readonly #parts: RobotParts;
  readonly #open = new Map<number, OpenRobot>();
  #specs: readonly RobotSpec[] = [];
  #drives: readonly DriveSpec[] = [];
  #shared: ReadonlySet<string> = new Set();
  #finding: Promise<unknown> = Promise.resolve();

  constructor(parts: RobotParts) {
    this.#parts = parts;
  }

  /** Drives of this host, as nbemm last told. */
  get drives(): readonly DriveSpec[] {
    return this.#drives;
  }

  /** Asks nbemm again. Errors: 25, 41, and what nbemm answers. */
  async reload(signal: AbortSignal): Promise<void> {
    const { nbemm, host } = this.#parts;
    const { robots, drives } = await nbemm.GetDevices({ mediaServer: host }, { signal });
    this.#specs = robots;
    this.#drives = drives.flatMap(({ drive }) => (drive === null ? [] : [drive]));
    const shared = drives.filter(({ paths }) => paths.some((path) => path.mediaServer !== host));
    this.#shared = new Set(shared.map(({ drive }) => drive?.name ?? ''));
  }

  /** Whether other hosts reach the drive too: what is in it may be theirs. */
  isShared(drive: string): boolean {
    return this.#shared.has(drive);
  }

  /** The next request asks nbemm again which robots there are. */
  forget(): void {
    this.#specs = [];
  }

  /** A drive of this host by its name, asking nbemm once when it is new. */
  async drive(name: string, signal: AbortSignal): Promise<DriveSpec | undefined> {
    const known = this.#drives.find((drive) => drive.name === name);
    if (known !== undefined) return known;
    await this.reload(signal);
    return this.#drives.find((drive) => drive.name === name);
  }

  /** Error: 37 another host controls it: asking on would go round in circles. */
  async requireOwn(robotNumber: number, signal: AbortSignal): Promise<void> {
    const { controlHost } = await this.#spec(robotNumber, signal);
    if (controlHost === this.#parts.host) return;
    throw new StatusError('invalidServer', `robot ${robotNumber} is controlled by ${controlHost}`);
  }

  /**
   * Runs `work` with the robot to itself. The move timeout counts the waiting too; `signal` of the work aborts with it.
   * Errors: 2059 no such robot; 134 too much waits for it; 52 it took too long.
   */
  async use<T>(
    robotNumber: number,
    signal: AbortSignal,
    work: (library: Library, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const robot = await this.#robot(robotNumber, signal);
    if (robot.waiting >= QUEUE_MAX) {
      throw new StatusError('resourcesBusy', `too many requests wait for robot ${robotNumber}`);
    }
    robot.waiting += 1;
    const late = new AbortController();
    // What hangs in the library keeps the next ones out: two orders at once are worse than none.
    const run = robot.last.then(() => {
      late.signal.throwIfAborted();
      return work(robot.library, late.signal);
    });
    robot.last = run.catch(() => undefined);
    try {
      return await this.#inTime(run, robotNumber, late);
    } finally {
      robot.waiting -= 1;
    }
  }

  /** For who only looks: what was seen lately, without waiting for a move. Errors: as `use`. */
  async glance(robotNumber: number, signal: AbortSignal): Promise<Glance> {
    const { library } = await this.#robot(robotNumber, signal);
    const seen = library instanceof WatchedLibrary ? library.glance() : null;
    if (seen !== null) return seen;
    const elements = await this.use(robotNumber, signal, (each) => each.inventory());
    return { elements, moving: null };
  }

  /**
   * Whether its robot tells who has the drive open. Over iSCSI nobody does: there it is the lease alone that says for how
   * long a writer may go on.
   */
  showsHolder(name: string): boolean {
    return !isIscsiPath(this.#drives.find((drive) => drive.name === name)?.path ?? '');
  }

  /** Drives that this host reaches over iSCSI. */
  get iscsiDrives(): readonly DriveSpec[] {
    return this.#drives.filter(({ path }) => isIscsiPath(path));
  }

  /** A robot that this host reaches over iSCSI. */
  iscsiRobot(robotNumber: number): RobotSpec | undefined {
    const { host } = this.#parts;
    return this.#specs.find(
      ({ number, controlHost, ndmpHost, path }) =>
        number === robotNumber && controlHost === host && ndmpHost === '' && isIscsiPath(path),
    );
  }

  /** An iSCSI drive by its own word, also while somebody uses it. Errors: those of the connection. */
  describe({ path }: DriveSpec): Promise<TargetUnit> {
    return describeIscsiDevice(path, this.#parts.iscsi);
  }

  /**
   * Resolves once the drive has loaded what was brought. Errors: 2037 not in time, 83 it is not the one on record, and
   * those of the connection.
   */
  async awaitReady(spec: DriveSpec, owner: DriveOwner, signal: AbortSignal): Promise<void> {
    const { path, serial: known } = spec;
    if (!isIscsiPath(path)) return;
    const { serial: found } = await awaitIscsiDrive(path, owner, this.#parts.iscsi, signal);
    if (!isAnother(known, found)) return;
    throw new StatusError('mediaOpenError', anotherText('drive', known, found));
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#open.values()].map(({ library }) => library.close()));
    this.#open.clear();
  }

  async #inTime<T>(run: Promise<T>, robotNumber: number, late: AbortController): Promise<T> {
    const { moveTimeoutMs } = this.#parts;
    const failure = new StatusError('mountTimedOut', `robot ${robotNumber} does not answer`);
    const timer = setTimeout(() => late.abort(failure), moveTimeoutMs);
    const aborted = new Promise<never>((_resolve, reject) => {
      late.signal.addEventListener('abort', () => reject(failure), { once: true });
    });
    try {
      return await Promise.race([run, aborted]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** One at a time, so that a robot is opened once. */
  #robot(number: number, signal: AbortSignal): Promise<OpenRobot> {
    const found = this.#finding.then(() => this.#find(number, signal));
    this.#finding = found.catch(() => undefined);
    return found;
  }

  async #find(number: number, signal: AbortSignal): Promise<OpenRobot> {
    const spec = await this.#spec(number, signal);
    const open = this.#open.get(number);
    if (open?.path === this.#placeOf(spec)) return open;
    await open?.library.close();
    const library = await this.#openLibrary(spec);
    const robot: OpenRobot = {
      path: this.#placeOf(spec),
      library,
      last: Promise.resolve(),
      waiting: 0,
    };
    this.#open.set(number, robot);
    return robot;
  }

  /** Another place is another library. */
  #placeOf({ controlHost, ndmpHost, path, serial }: RobotSpec): string {
    if (controlHost !== this.#parts.host) return `host:${controlHost}`;
    if (isIscsiPath(path)) return `${path} ${serial}`;
    return ndmpHost === '' ? path : `ndmp:${ndmpHost}/${path}`;
  }

  async #openLibrary(spec: RobotSpec): Promise<Library> {
    const { agent, moveTimeoutMs: timeoutMs, host, ltidOf } = this.#parts;
    if (spec.controlHost !== host) {
      return this.#unloading(new RemoteLibrary({ ltid: ltidOf(spec.controlHost), spec }), spec);
    }
    const inner =
      spec.ndmpHost === ''
        ? await this.#openPath(spec)
        : new NdmpLibrary({ agent, spec, timeoutMs });
    const { nowMs, onMove } = this.#parts;
    const tell = (move: ArmMove, phase: MovePhase): void => onMove(spec.number, move, phase);
    return new WatchedLibrary({ inner, nowMs, tell });
  }

  async #openPath(spec: RobotSpec): Promise<Library> {
    const { modules, iscsi } = this.#parts;
    if (!isIscsiPath(spec.path)) return openLibraryPath(spec.path, modules);
    return this.#unloading(new IscsiLibrary(spec, iscsi), spec);
  }

  #unloading(library: Library, { number }: RobotSpec): Library {
    const { iscsi: place, moveTimeoutMs: timeoutMs } = this.#parts;
    const drivePathOf = (index: number): string | undefined =>
      this.#drives.find(
        (drive) =>
          drive.robotNumber === number && driveIndexOf(drive) === index && isIscsiPath(drive.path),
      )?.path;
    return new UnloadFirst({ library, drivePathOf, place, timeoutMs });
  }

  async #spec(number: number, signal: AbortSignal): Promise<RobotSpec> {
    const isIt = (robot: RobotSpec): boolean => robot.number === number;
    if (!this.#specs.some(isIt)) await this.reload(signal);
    const spec = this.#specs.find(isIt);
    if (spec !== undefined) return spec;
    const { host } = this.#parts;
    throw new StatusError('robotMissing', `nbemm knows no robot ${number} for host ${host}`);
  }
}

/** `vtl:<folder>` is built in, as iSCSI is; other schemes come from modules. Errors: 2059. */
async function openLibraryPath(
  path: string,
  modules: Readonly<Record<string, string>>,
): Promise<Library> {
  const scheme = path.slice(0, path.indexOf(':'));
  const moduleName = modules[scheme];
  if (moduleName !== undefined) {
    return ((await import(moduleName)) as LibraryModule).openLibrary(path);
  }
  if (scheme !== 'vtl')
    throw new StatusError('robotMissing', `no driver for the robot path ${path}`);
  return openVirtualLibrary(path.slice('vtl:'.length));
}

/** Number of a drive in its library, from 0. */
export function driveIndexOf({ path, robotDrive }: DriveSpec): number {
  return parseVirtualDrivePath(path)?.driveIndex ?? Math.max(0, robotDrive - 1);
}
