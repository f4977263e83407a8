// One library as it is drawn: each place with what is in it, from the robot's own account and the records of volumes.
// When the robot does not answer, the records alone give the picture.

import type { DriveRow, Element, ReadElementsReply, VolumeRow } from '@tapestry/contracts';
import type { ApiElement, ApiLibraryShape } from '../device-schemas.ts';
import { mediaStateOf } from './volume-view.ts';

export interface LibraryFacts {
  readonly robotNumber: number;
  readonly robot: ReadElementsReply | null;
  /** Why there is no account of the robot's own. */
  readonly problem: string;
  readonly volumes: readonly VolumeRow[];
  readonly drives: readonly DriveRow[];
}

const TYPES: Readonly<Record<string, ApiElement['type']>> = {
  ...{ slot: 'slot', drive: 'drive', import_export: 'mail', robot: 'arm' },
};

export function viewLibrary(facts: LibraryFacts): ApiLibraryShape {
  const { robotNumber, robot, problem } = facts;
  if (robot === null) {
    const elements = [...slotsOnRecord(facts), ...drivesOnRecord(facts)];
    return { robotNumber, source: 'records', problem, elements, moving: null };
  }
  const byBarcode = new Map(facts.volumes.map((row) => [barcodeOf(row), row]));
  const seen = new Set(robot.elements.map(({ barcode }) => barcode));
  const lost = new Map(
    facts.volumes
      .filter((row) => !seen.has(barcodeOf(row)))
      .map((row) => [row.volume?.slot ?? 0, row.volume?.mediaId ?? '']),
  );
  const { moving } = robot;
  return {
    ...{ robotNumber, source: 'robot', problem },
    elements: robot.elements.map((element) => elementOf(element, byBarcode, lost)),
    moving: moving === null ? null : { from: moving.fromAddress, to: moving.toAddress },
  };
}

function barcodeOf({ volume }: VolumeRow): string {
  return volume?.barcode || (volume?.mediaId ?? '');
}

function elementOf(
  { address, type, number, full, barcode }: Element,
  byBarcode: ReadonlyMap<string, VolumeRow>,
  lost: ReadonlyMap<number, string>,
): ApiElement {
  const row = full ? byBarcode.get(barcode) : undefined;
  return {
    ...{ address, number, full, barcode, type: TYPES[type] ?? 'slot' },
    ...contentOf(row),
    missingMediaId: type === 'slot' && !full ? (lost.get(number) ?? '') : '',
  };
}

function contentOf(row: VolumeRow | undefined): Pick<ApiElement, 'mediaId' | 'state' | 'pool'> {
  if (row === undefined) return { mediaId: '', state: null, pool: '' };
  const { volume } = row;
  return { mediaId: volume?.mediaId ?? '', state: mediaStateOf(row), pool: volume?.pool ?? '' };
}

/** Slots up to the last that the records name. Addresses are made up: nothing moves in such a picture. */
function slotsOnRecord({ volumes }: LibraryFacts): ApiElement[] {
  const bySlot = new Map(volumes.map((row) => [row.volume?.slot ?? 0, row]));
  const last = Math.max(0, ...bySlot.keys());
  return Array.from({ length: last }, (_, index): ApiElement => {
    const row = bySlot.get(index + 1);
    const out = row !== undefined && row.mountedDrive !== '';
    const inside = out ? undefined : row;
    return {
      ...{ address: -1 - index, type: 'slot', number: index + 1, full: inside !== undefined },
      ...{ barcode: inside?.volume?.barcode ?? '', missingMediaId: '' },
      ...contentOf(inside),
    };
  });
}

function drivesOnRecord({ robotNumber, volumes, drives }: LibraryFacts): ApiElement[] {
  const own = drives.filter(({ drive }) => drive?.robotNumber === robotNumber && drive.robotDrive);
  return own.map(({ drive }): ApiElement => {
    const row = volumes.find(({ mountedDrive }) => mountedDrive === drive?.name);
    return {
      ...{ address: -1_000_000 - (drive?.robotDrive ?? 0), type: 'drive' },
      ...{ number: drive?.robotDrive ?? 0, full: row !== undefined },
      ...{ barcode: row?.volume?.barcode ?? '', missingMediaId: '' },
      ...contentOf(row),
    };
  });
}
