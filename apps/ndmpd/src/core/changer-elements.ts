// The element pages of a media changer: READ ELEMENT STATUS data and the mode pages that describe elements (SMC-3).

import type { ElementType, LibraryElement } from '@tapestry/storage';
import { designator } from './scsi-inquiry.ts';
import { asciiField } from './scsi-reply.ts';

const ELEMENT_CODE: Readonly<Record<ElementType, number>> = {
  robot: 1,
  slot: 2,
  importExport: 3,
  drive: 4,
};

const FLAG = { full: 0x01, placedByOperator: 0x02, access: 0x08, exports: 0x10, imports: 0x20 };
const SOURCE_VALID = 0x80;
const MEDIUM_TYPE_DATA = 0x01;
const VOLUME_TAG_BYTES = 36;

/** How drives of the library name themselves; the serial number comes with the element. */
export interface DriveNaming {
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
}

interface StatusQuery {
  /** 0 for all types. */
  readonly elementCode: number;
  readonly firstAddress: number;
  readonly elementsMax: number;
  readonly withVolumeTags: boolean;
  readonly withDeviceIds: boolean;
}

/** The whole report; the caller cuts it to the allocation length. Pages ascend by address, as addresses do. */
export function elementStatus(
  elements: readonly LibraryElement[],
  query: StatusQuery,
  naming: DriveNaming,
): Buffer {
  const wanted = elements
    .filter(({ type }) => query.elementCode === 0 || ELEMENT_CODE[type] === query.elementCode)
    .filter(({ address }) => address >= query.firstAddress)
    .slice(0, query.elementsMax);
  const slots = new Set(elements.filter(({ type }) => type === 'slot').map((e) => e.address));
  const types = [...new Set(wanted.map(({ type }) => type))];
  const pages = types.map((type) => {
    const ofType = wanted.filter((element) => element.type === type);
    const ids = deviceIds(ofType, query, naming);
    const descriptors = ofType.map((element, i) =>
      Buffer.concat([descriptor(element, query.withVolumeTags, slots), ids[i] as Buffer]),
    );
    return statusPage(type, descriptors, query.withVolumeTags);
  });
  const body = Buffer.concat(pages);
  const header = Buffer.alloc(8);
  header.writeUInt16BE(wanted[0]?.address ?? 0, 0);
  header.writeUInt16BE(wanted.length, 2);
  header.writeUIntBE(body.length, 5, 3);
  return Buffer.concat([header, body]);
}

function statusPage(type: ElementType, descriptors: Buffer[], withVolumeTags: boolean): Buffer {
  const body = Buffer.concat(descriptors);
  const header = Buffer.alloc(8);
  header[0] = ELEMENT_CODE[type];
  header[1] = withVolumeTags ? 0x80 : 0;
  header.writeUInt16BE(descriptors[0]?.length ?? 0, 2);
  header.writeUIntBE(body.length, 5, 3);
  return Buffer.concat([header, body]);
}

function descriptor(
  element: LibraryElement,
  withVolumeTag: boolean,
  slots: ReadonlySet<number>,
): Buffer {
  const bytes = Buffer.alloc(12 + (withVolumeTag ? VOLUME_TAG_BYTES : 0));
  bytes.writeUInt16BE(element.address, 0);
  bytes[2] = flags(element);
  if (element.full) bytes[9] = MEDIUM_TYPE_DATA;
  const { sourceAddress } = element;
  // The source is the last storage element; a drive that it came from is not one (SMC-3 6.11.4).
  if (element.full && sourceAddress !== null && slots.has(sourceAddress)) {
    bytes[9] = SOURCE_VALID | MEDIUM_TYPE_DATA;
    bytes.writeUInt16BE(sourceAddress, 10);
  }
  if (withVolumeTag) asciiField(element.barcode ?? '', 32).copy(bytes, 12);
  return bytes;
}

function flags({ type, full, accessible, sourceAddress }: LibraryElement): number {
  const isFull = full ? FLAG.full : 0;
  if (type === 'robot') return isFull;
  const access = accessible ? FLAG.access : 0;
  if (type !== 'importExport') return isFull | access;
  const byOperator = full && sourceAddress === null ? FLAG.placedByOperator : 0;
  return isFull | access | byOperator | FLAG.exports | FLAG.imports;
}

/** The tail of each descriptor: a head of four bytes that is always there, and the drive's name where asked for. */
function deviceIds(
  elements: readonly LibraryElement[],
  { withDeviceIds }: StatusQuery,
  naming: DriveNaming,
): Buffer[] {
  const ids = elements.map(({ driveSerial }) =>
    withDeviceIds && driveSerial !== null
      ? designator({ ...naming, serial: driveSerial })
      : Buffer.alloc(4),
  );
  // One length for all descriptors of a page.
  const bytes = Math.max(4, ...ids.map((id) => id.length));
  return ids.map((id) => Buffer.concat([id, Buffer.alloc(bytes - id.length)]));
}

/** Element address assignment (SMC-3 7.3.4). */
export function addressAssignmentPage(elements: readonly LibraryElement[]): Buffer {
  const page = Buffer.alloc(20);
  page[0] = 0x1d;
  page[1] = page.length - 2;
  const order: readonly ElementType[] = ['robot', 'slot', 'importExport', 'drive'];
  for (const [i, type] of order.entries()) {
    const ofType = elements.filter((element) => element.type === type);
    page.writeUInt16BE(ofType[0]?.address ?? 0, 2 + 4 * i);
    page.writeUInt16BE(ofType.length, 4 + 4 * i);
  }
  return page;
}

/** Transport geometry (SMC-3 7.3.5): one robot that does not turn media over. */
export const TRANSPORT_GEOMETRY_PAGE = Buffer.from([0x1e, 2, 0, 0]);

/** Device capabilities (SMC-3 7.3.2): everything but the robot stores; all moves between those, no exchange. */
export const CAPABILITIES_PAGE = (() => {
  const storing = 0x0e; // drive, import/export, slot
  const page = Buffer.alloc(20);
  page.set([0x1f, page.length - 2, storing, 0, 0, storing, storing, storing]);
  return page;
})();
