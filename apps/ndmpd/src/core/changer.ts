// The commands of the emulated media changer (SMC-3 over SPC-4): what each CDB means for a library. Decides only: the
// adapter brings the inventory and makes the moves.

import type { LibraryElement } from '@tapestry/storage';
import {
  addressAssignmentPage,
  CAPABILITIES_PAGE,
  type DriveNaming,
  elementStatus,
  TRANSPORT_GEOMETRY_PAGE,
} from './changer-elements.ts';
import { LOG_SENSE, logSense, tapeAlertPage } from './log-pages.ts';
import { modeSense } from './mode-pages.ts';
import { inquiry, type ScsiIdentity } from './scsi-inquiry.ts';
import {
  bit,
  check,
  good,
  invalidField,
  requestSense,
  type ScsiReply,
  SENSE,
} from './scsi-reply.ts';

export interface ChangerFacts {
  readonly identity: ScsiIdentity;
  readonly elements: readonly LibraryElement[];
  readonly drives: DriveNaming;
}

export type ChangerStep =
  | { readonly do: 'reply'; readonly reply: ScsiReply }
  /** Look at every element again, then answer GOOD. */
  | { readonly do: 'rescan' }
  | { readonly do: 'move'; readonly from: number; readonly to: number };

type Command = (cdb: Buffer, facts: ChangerFacts) => ChangerStep;

const replying =
  (command: (cdb: Buffer, facts: ChangerFacts) => ScsiReply): Command =>
  (cdb, facts) => ({ do: 'reply', reply: command(cdb, facts) });

const COMMANDS: ReadonlyMap<number, Command> = new Map<number, Command>([
  [0x00, replying(() => good())], // TEST UNIT READY
  [0x03, replying(requestSense)],
  [0x07, () => ({ do: 'rescan' })], // INITIALIZE ELEMENT STATUS
  [0x12, replying((cdb, { identity }) => inquiry(cdb, identity))],
  [0x1a, replying(changerModeSense)],
  [0x1e, replying(preventAllow)],
  [0x37, () => ({ do: 'rescan' })], // INITIALIZE ELEMENT STATUS WITH RANGE
  [LOG_SENSE, replying((cdb) => logSense(cdb, [tapeAlertPage([])]))],
  [0x5a, replying(changerModeSense)],
  [0xa5, moveMedium],
  [0xb8, replying(readElementStatus)],
  [0xe7, () => ({ do: 'rescan' })], // the older number of 37h, in the vendors' group
]);

/** The CDB must have the length that its opcode asks for. */
export function changerStep(cdb: Buffer, facts: ChangerFacts): ChangerStep {
  const command = COMMANDS.get(cdb[0] ?? 0);
  return command?.(cdb, facts) ?? { do: 'reply', reply: check(SENSE.invalidOpcode) };
}

function changerModeSense(cdb: Buffer, { elements }: ChangerFacts): ScsiReply {
  return modeSense(cdb, {
    deviceSpecific: 0,
    blockDescriptor: Buffer.alloc(0),
    pages: [addressAssignmentPage(elements), TRANSPORT_GEOMETRY_PAGE, CAPABILITIES_PAGE],
  });
}

/** The library has no door that could be locked: both answers are true of it. */
function preventAllow(cdb: Buffer): ScsiReply {
  return ((cdb[4] ?? 0) & 0x03) <= 1 ? good() : invalidField(4);
}

function readElementStatus(cdb: Buffer, { elements, drives }: ChangerFacts): ScsiReply {
  const elementCode = (cdb[1] ?? 0) & 0x0f;
  if (elementCode > 4) return invalidField(1);
  const query = {
    elementCode,
    firstAddress: cdb.readUInt16BE(2),
    elementsMax: cdb.readUInt16BE(4),
    withVolumeTags: bit(cdb, 1, 4),
    withDeviceIds: bit(cdb, 6, 0),
  };
  return good(elementStatus(elements, query, drives), cdb.readUIntBE(7, 3));
}

function moveMedium(cdb: Buffer, { elements }: ChangerFacts): ChangerStep {
  const [robot, from, to] = [2, 4, 6].map((at) => cdb.readUInt16BE(at)) as [number, number, number];
  if (bit(cdb, 10, 0)) return { do: 'reply', reply: invalidField(10) }; // nothing can be turned over
  const refuse = (): ChangerStep => ({ do: 'reply', reply: check(SENSE.invalidElement) });
  const typeAt = (address: number) => elements.find((e) => e.address === address)?.type;
  // Transport address 0 is "any robot", whatever the robots are called.
  if (robot !== 0 && typeAt(robot) !== 'robot') return refuse();
  for (const address of [from, to]) {
    const type = typeAt(address);
    if (type === undefined || type === 'robot') return refuse();
  }
  return { do: 'move', from, to };
}

/** The answer to a move or a look that the library refused; `code` is the symbol of the status. */
export function libraryRefusal(code: string): ScsiReply {
  switch (code) {
    case 'invalidParameter':
      return check(SENSE.invalidElement);
    case 'slotEmpty':
      return check(SENSE.sourceEmpty);
    case 'notMountable':
      return check(SENSE.destinationFull);
    case 'mediaInUse':
    case 'staleGrant':
      return check(SENSE.removalPrevented); // the drive that it is in still holds it
    default:
      return check(SENSE.internalFailure);
  }
}
