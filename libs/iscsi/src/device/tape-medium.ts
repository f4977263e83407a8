// What is found out about drive and cartridge together when a cartridge is there: limits, protection, ways to position.

import type { BlockLimits } from '@tapestry/storage';
import * as spc from '../scsi/spc.ts';
import * as ssc from '../scsi/ssc.ts';
import { BlockReader } from './block-reader.ts';
import { CountingPositioning } from './counting-positioning.ts';
import { DevicePositioning } from './device-positioning.ts';
import type { TapePositioning } from './tape-positioning.ts';
import type { TapeUnit } from './tape-unit.ts';

export interface TapeMedium {
  readonly limits: BlockLimits;
  readonly writeProtected: boolean;
  readonly worm: boolean;
  readonly barcode: string | null;
  readonly positioning: TapePositioning;
  readonly reader: BlockReader;
  /** What was found out here is not true any more; the positioning stays, since its owner must learn of the loss. */
  age(): void;
  readonly isAged: boolean;
}

const MODE_BYTES = 64;
const WRITE_PROTECTED = 0x80;
const BUFFERED_MODE = 0x70;

/** Sets the drive up for blocks of any length. `before`: the same cartridge, whose position its user relied on. */
export async function openTapeMedium(
  unit: TapeUnit,
  before: TapeMedium | null,
): Promise<TapeMedium> {
  const limitsData = await unit.query(ssc.readBlockLimits(), ssc.BLOCK_LIMITS_BYTES);
  const announced = ssc.parseBlockLimits(limitsData ?? Buffer.alloc(0));
  const mode = await setUpMode(unit);
  const worm = await isWorm(unit);
  const barcode = await readBarcode(unit);
  await unit.set(spc.preventRemoval(true));
  const knowsPosition = before
    ? before.positioning instanceof DevicePositioning
    : (await unit.readPosition()) !== null;
  const positioning =
    before?.positioning ??
    (knowsPosition ? new DevicePositioning(unit) : new CountingPositioning(unit));
  // What tells nonsense of its position tells it of lengths, too.
  const limits = knowsPosition ? announced : { ...announced, minBytes: 1 };
  let isAged = false;
  return {
    limits,
    writeProtected: (mode.deviceSpecific & WRITE_PROTECTED) !== 0,
    worm,
    barcode,
    positioning,
    reader: new BlockReader(unit, positioning, {
      isDoubtful: !knowsPosition,
      maxBytes: limits.maxBytes,
    }),
    age: () => {
      isAged = true;
    },
    get isAged() {
      return isAged;
    },
  };
}

async function setUpMode(unit: TapeUnit): Promise<spc.ModeParameters> {
  const sense = spc.modeSense(ssc.MODE_PAGE.deviceConfiguration, MODE_BYTES);
  const data = await unit.query(sense, MODE_BYTES);
  const mode = spc.parseModeParameters(data ?? Buffer.alloc(4));
  const isBuffered = (mode.deviceSpecific & BUFFERED_MODE) !== 0;
  if (mode.blockBytes !== 0 || !isBuffered) {
    const parameters = ssc.variableBlockMode(mode.density ?? 0);
    await unit.set(spc.modeSelect(parameters.length), parameters);
  }
  return mode;
}

async function isWorm(unit: TapeUnit): Promise<boolean> {
  const page = ssc.MODE_PAGE.mediumConfiguration;
  const data = await unit.query(spc.modeSense(page, MODE_BYTES), MODE_BYTES);
  const { page: bytes } = spc.parseModeParameters(data ?? Buffer.alloc(4));
  return ((bytes[0] ?? 0) & 0x3f) === page && ((bytes[2] ?? 0) & 1) === 1;
}

async function readBarcode(unit: TapeUnit): Promise<string | null> {
  const data = await unit.query(ssc.readAttribute(ssc.BARCODE_ATTRIBUTE), ssc.ATTRIBUTE_BYTES);
  return (data && ssc.parseAttribute(data, ssc.BARCODE_ATTRIBUTE)) || null;
}
