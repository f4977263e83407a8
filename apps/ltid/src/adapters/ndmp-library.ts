// A robot that hangs on an NDMP host, moved through this host's ndmpagent. Each thing that is asked has a key, so that a
// repeat after a lost answer moves nothing twice.

import { randomUUID } from 'node:crypto';
import type { Client } from '@tapestry/bus';
import type {
  Init,
  RobotElement,
  RobotSpec,
  UseRobotReply,
  UseRobotRequest,
} from '@tapestry/contracts';
import { untilAnswered, wasAnsweredBy } from '@tapestry/runtime/until-answered';
import type { ElementType, Library, LibraryElement, LibraryIdentity } from '@tapestry/storage';

export interface NdmpLibraryParts {
  readonly agent: Client<'ndmpagent'>;
  readonly spec: RobotSpec;
  /** The longest that one thing may take. */
  readonly timeoutMs: number;
}

export class NdmpLibrary implements Library {
  readonly #parts: NdmpLibraryParts;

  constructor(parts: NdmpLibraryParts) {
    this.#parts = parts;
  }

  async identity(): Promise<LibraryIdentity> {
    const { vendor, product, serial } = await this.#use('ROBOT_OPERATION_INVENTORY');
    return { vendor, product, serial };
  }

  async inventory(): Promise<readonly LibraryElement[]> {
    return (await this.#use('ROBOT_OPERATION_INVENTORY')).elements.map(elementOf);
  }

  async rescan(): Promise<readonly LibraryElement[]> {
    return (await this.#use('ROBOT_OPERATION_RESCAN')).elements.map(elementOf);
  }

  /** No fence: the NDMP host itself refuses while a session has the drive open (97). */
  async move(from: number, to: number): Promise<void> {
    await this.#use('ROBOT_OPERATION_MOVE', { from, to });
  }

  async close(): Promise<void> {}

  #use(
    operation: UseRobotRequest['operation'],
    move: Init<UseRobotRequest> = {},
  ): Promise<UseRobotReply> {
    const { agent, spec, timeoutMs } = this.#parts;
    const request = {
      ...{ key: randomUUID(), robotNumber: spec.number, ndmpHost: spec.ndmpHost },
      ...{ device: spec.path, operation, ...move },
    };
    return untilAnswered((signal) => agent.UseRobot(request, { signal }), {
      signal: AbortSignal.timeout(timeoutMs),
      isAnswer: wasAnsweredBy('ndmpagent'),
    });
  }
}

function elementOf(element: RobotElement): LibraryElement {
  const { address, type, index, full, accessible, barcode, driveSerial } = element;
  return {
    ...{ address, type: type as ElementType, index, full, accessible },
    barcode: barcode === '' ? null : barcode,
    sourceAddress: element.hasSource ? element.sourceAddress : null,
    driveSerial: driveSerial === '' ? null : driveSerial,
  };
}
