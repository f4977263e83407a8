// The SCSI, TAPE and MOVER messages.

import { addressV2, addressV3, addressV4 } from './addresses.ts';
import { request, SINCE_V3, UNTIL_V3 } from './catalogue-row.ts';
import {
  type Codec,
  empty,
  errorOnly,
  error as errorWord,
  type Infer,
  i32,
  mapped,
  opaque,
  struct,
  text,
  u32,
  u64,
} from './codec.ts';
import { MOVER_HALT, MOVER_MODE, MOVER_PAUSE, U32_MAX } from './constants.ts';
import { cdbReply, cdbRequest } from './structures.ts';

const error = errorWord;
const range = struct({ offset: u64, length: u64 });

export const SCSI_REQUESTS = {
  scsiOpen: request({ code: 0x200, request: struct({ device: text }), reply: errorOnly }),
  scsiClose: request({ code: 0x201, request: empty, reply: errorOnly }),
  scsiGetState: request({
    code: 0x202,
    request: empty,
    reply: struct({ error, controller: i32, id: i32, lun: i32 }),
  }),
  scsiSetTarget: request({
    code: 0x203,
    request: struct({ device: text, controller: u32, id: u32, lun: u32 }),
    reply: errorOnly,
    versions: UNTIL_V3,
  }),
  scsiResetDevice: request({ code: 0x204, request: empty, reply: errorOnly }),
  scsiResetBus: request({ code: 0x205, request: empty, reply: errorOnly, versions: UNTIL_V3 }),
  scsiExecuteCdb: request({ code: 0x206, request: cdbRequest, reply: cdbReply }),
};

const positions = {
  flags: u32,
  fileNumber: u32,
  softErrors: u32,
  blockSize: u32,
  blockNumber: u32,
  totalSpace: u64,
  spaceRemain: u64,
};
const tapeStateV4 = struct({ unsupported: u32, error, ...positions });
type TapeState = Infer<typeof tapeStateV4>;
const PARTITION_UNKNOWN = 0x40;

const tapeStateV3: Codec<TapeState> = mapped(
  struct({ unsupported: u32, error, ...positions, partition: u32 }),
  ({ partition: _, ...wire }) => ({ ...wire, unsupported: wire.unsupported & ~PARTITION_UNKNOWN }),
  (value) => ({
    ...value,
    unsupported: value.unsupported | PARTITION_UNKNOWN,
    partition: U32_MAX,
  }),
);
const tapeStateV2: Codec<TapeState> = mapped(
  struct({ error, ...positions }),
  (wire) => ({ ...wire, unsupported: 0 }),
  (value) => value,
);

export const TAPE_REQUESTS = {
  tapeOpen: request({
    code: 0x300,
    request: struct({ device: text, mode: i32 }),
    reply: errorOnly,
  }),
  tapeClose: request({ code: 0x301, request: empty, reply: errorOnly }),
  tapeGetState: request({
    code: 0x302,
    request: empty,
    reply: tapeStateV4,
    v3: { reply: tapeStateV3 },
    v2: { reply: tapeStateV2 },
  }),
  tapeMtio: request({
    code: 0x303,
    request: struct({ operation: i32, count: u32 }),
    reply: struct({ error, residualCount: u32 }),
  }),
  tapeWrite: request({
    code: 0x304,
    request: struct({ data: opaque }),
    reply: struct({ error, count: u32 }),
  }),
  tapeRead: request({
    code: 0x305,
    request: struct({ count: u32 }),
    reply: struct({ error, data: opaque }),
  }),
  tapeExecuteCdb: request({ code: 0x307, request: cdbRequest, reply: cdbReply }),
};

const replacing = (from: number, to: number): Codec<number> => {
  const replace = (value: number): number => (value === from ? to : value);
  return mapped(i32, replace, replace);
};
/** A window's end is an EOF to v2, which has no word for it. */
const pauseReasonV2 = replacing(MOVER_PAUSE.eow, MOVER_PAUSE.eof);
/** v2 and v3 do not halt for a bad medium. */
export const moverHaltReasonV3: Codec<number> = replacing(
  MOVER_HALT.mediaError,
  MOVER_HALT.internalError,
);

const moverCounters = {
  recordSize: u32,
  recordNumber: u32,
  bytesMoved: u64,
  seekPosition: u64,
  bytesLeftToRead: u64,
  windowOffset: u64,
  windowLength: u64,
};
const moverStateV4 = struct({
  error,
  mode: i32,
  state: i32,
  pauseReason: i32,
  haltReason: i32,
  ...moverCounters,
  address: addressV4,
});
type MoverState = Infer<typeof moverStateV4>;

/** No mode word, and one address instead of a list of them. */
const moverStateV3: Codec<MoverState> = mapped(
  struct({
    error,
    state: i32,
    pauseReason: i32,
    haltReason: moverHaltReasonV3,
    ...moverCounters,
    address: addressV3,
  }),
  (wire): MoverState => ({ ...wire, mode: MOVER_MODE.noAction }),
  (value) => value,
);
const moverStateV2: Codec<MoverState> = mapped(
  struct({
    error,
    state: i32,
    pauseReason: pauseReasonV2,
    haltReason: moverHaltReasonV3,
    ...moverCounters,
  }),
  (wire): MoverState => ({ ...wire, mode: MOVER_MODE.noAction, address: { type: 'local' } }),
  (value) => value,
);

export const moverPaused = struct({ reason: i32, seekPosition: u64 });
export const moverPausedV2 = struct({ reason: pauseReasonV2, seekPosition: u64 });

export const MOVER_REQUESTS = {
  moverGetState: request({
    code: 0xa00,
    request: empty,
    reply: moverStateV4,
    v3: { reply: moverStateV3 },
    v2: { reply: moverStateV2 },
  }),
  moverListen: request({
    code: 0xa01,
    request: struct({ mode: i32, addressType: i32 }),
    reply: struct({ error, address: addressV4 }),
    v3: { reply: struct({ error, address: addressV3 }) },
    v2: { reply: struct({ error, address: addressV2 }) },
  }),
  moverContinue: request({ code: 0xa02, request: empty, reply: errorOnly }),
  moverAbort: request({ code: 0xa03, request: empty, reply: errorOnly }),
  moverStop: request({ code: 0xa04, request: empty, reply: errorOnly }),
  moverSetWindow: request({ code: 0xa05, request: range, reply: errorOnly }),
  moverRead: request({ code: 0xa06, request: range, reply: errorOnly }),
  moverClose: request({ code: 0xa07, request: empty, reply: errorOnly }),
  moverSetRecordSize: request({
    code: 0xa08,
    request: struct({ recordSize: u32 }),
    reply: errorOnly,
  }),
  moverConnect: request({
    code: 0xa09,
    request: struct({ mode: i32, address: addressV4 }),
    reply: errorOnly,
    versions: SINCE_V3,
    v3: { request: struct({ mode: i32, address: addressV3 }) },
  }),
};
