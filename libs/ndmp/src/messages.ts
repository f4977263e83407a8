// The message table: one row a message with its code, its name and the codecs of its bodies. Version
// 3 is the same table with the rows replaced that differ on the wire; another version is another set
// of rows. Everything else in this library walks the table and knows no message by heart.

import type { Codec } from './codec.ts';
import {
  array,
  empty,
  type Infer,
  i32,
  mapped,
  opaque,
  struct,
  text,
  trailing,
  u32,
  u64,
} from './codec.ts';
import { MOVER_MODE } from './constants.ts';
import { historyDir, historyFile, historyNode } from './history-codec.ts';
import {
  addressV3,
  addressV4,
  authAttr,
  authData,
  butypeInfo,
  cdbReply,
  cdbRequest,
  classList,
  classVersion,
  deviceInfo,
  fsInfo,
  logFileV3,
  logFileV4,
  logMessageV3,
  logMessageV4,
  nameEntry,
  pval,
} from './structures.ts';

const error = u32;
const errorOnly = struct({ error });
const auth = array(i32);
const devices = struct({ error, devices: array(deviceInfo) });
const recoverBody = struct({ env: array(pval), names: array(nameEntry), butype: text });
const connectionStatus = struct({ reason: i32, version: u32, text: trailing(text, '') });
const paused = struct({ reason: i32, seekPosition: u64 });
const range = struct({ offset: u64, length: u64 });

/** Requests go from the DMA to the server and have one reply; its first or second word is `error`. */
const REQUESTS_V4 = {
  configGetHostInfo: {
    code: 0x100,
    request: empty,
    reply: struct({ error, hostname: text, osType: text, osVersion: text, hostId: text }),
  },
  configGetConnectionType: {
    code: 0x102,
    request: empty,
    reply: struct({ error, types: array(i32) }),
  },
  configGetAuthAttr: {
    code: 0x103,
    request: struct({ authType: i32 }),
    reply: struct({ error, attr: authAttr }),
  },
  configGetButypeInfo: {
    code: 0x104,
    request: empty,
    reply: struct({ error, butypes: array(butypeInfo) }),
  },
  configGetFsInfo: {
    code: 0x105,
    request: empty,
    reply: struct({ error, fileSystems: array(fsInfo) }),
  },
  configGetTapeInfo: { code: 0x106, request: empty, reply: devices },
  configGetScsiInfo: { code: 0x107, request: empty, reply: devices },
  configGetServerInfo: {
    code: 0x108,
    request: empty,
    reply: struct({ error, vendor: text, product: text, revision: text, authTypes: auth }),
  },
  configSetExtList: {
    code: 0x109,
    request: struct({ selected: array(classVersion) }),
    reply: errorOnly,
  },
  configGetExtList: {
    code: 0x10a,
    request: empty,
    reply: struct({ error, classes: array(classList) }),
  },

  scsiOpen: { code: 0x200, request: struct({ device: text }), reply: errorOnly },
  scsiClose: { code: 0x201, request: empty, reply: errorOnly },
  scsiGetState: {
    code: 0x202,
    request: empty,
    reply: struct({ error, controller: i32, id: i32, lun: i32 }),
  },
  scsiResetDevice: { code: 0x204, request: empty, reply: errorOnly },
  scsiExecuteCdb: { code: 0x206, request: cdbRequest, reply: cdbReply },

  tapeOpen: { code: 0x300, request: struct({ device: text, mode: i32 }), reply: errorOnly },
  tapeClose: { code: 0x301, request: empty, reply: errorOnly },
  tapeGetState: {
    code: 0x302,
    request: empty,
    reply: struct({
      unsupported: u32,
      error,
      flags: u32,
      fileNumber: u32,
      softErrors: u32,
      blockSize: u32,
      blockNumber: u32,
      totalSpace: u64,
      spaceRemain: u64,
    }),
  },
  tapeMtio: {
    code: 0x303,
    request: struct({ operation: i32, count: u32 }),
    reply: struct({ error, residualCount: u32 }),
  },
  tapeWrite: {
    code: 0x304,
    request: struct({ data: opaque }),
    reply: struct({ error, count: u32 }),
  },
  tapeRead: {
    code: 0x305,
    request: struct({ count: u32 }),
    reply: struct({ error, data: opaque }),
  },
  tapeExecuteCdb: { code: 0x307, request: cdbRequest, reply: cdbReply },

  dataGetState: {
    code: 0x400,
    request: empty,
    reply: struct({
      unsupported: u32,
      error,
      operation: i32,
      state: i32,
      haltReason: i32,
      bytesProcessed: u64,
      bytesRemain: u64,
      timeRemain: u32,
      address: addressV4,
      readOffset: u64,
      readLength: u64,
    }),
  },
  dataStartBackup: {
    code: 0x401,
    request: struct({ butype: text, env: array(pval) }),
    reply: errorOnly,
  },
  dataStartRecover: { code: 0x402, request: recoverBody, reply: errorOnly },
  dataAbort: { code: 0x403, request: empty, reply: errorOnly },
  dataGetEnv: { code: 0x404, request: empty, reply: struct({ error, env: array(pval) }) },
  dataStop: { code: 0x407, request: empty, reply: errorOnly },
  dataListen: {
    code: 0x409,
    request: struct({ addressType: i32 }),
    reply: struct({ error, address: addressV4 }),
  },
  dataConnect: { code: 0x40a, request: struct({ address: addressV4 }), reply: errorOnly },
  dataStartRecoverFileHistory: { code: 0x40b, request: recoverBody, reply: errorOnly },

  connectOpen: { code: 0x900, request: struct({ version: u32 }), reply: errorOnly },
  connectClientAuth: { code: 0x901, request: struct({ auth: authData }), reply: errorOnly },
  connectClose: { code: 0x902, request: empty, reply: empty },
  connectServerAuth: {
    code: 0x903,
    request: struct({ attr: authAttr }),
    reply: struct({ error, result: authData }),
  },

  moverGetState: {
    code: 0xa00,
    request: empty,
    reply: struct({
      error,
      mode: i32,
      state: i32,
      pauseReason: i32,
      haltReason: i32,
      recordSize: u32,
      recordNumber: u32,
      bytesMoved: u64,
      seekPosition: u64,
      bytesLeftToRead: u64,
      windowOffset: u64,
      windowLength: u64,
      address: addressV4,
    }),
  },
  moverListen: {
    code: 0xa01,
    request: struct({ mode: i32, addressType: i32 }),
    reply: struct({ error, address: addressV4 }),
  },
  moverContinue: { code: 0xa02, request: empty, reply: errorOnly },
  moverAbort: { code: 0xa03, request: empty, reply: errorOnly },
  moverStop: { code: 0xa04, request: empty, reply: errorOnly },
  moverSetWindow: { code: 0xa05, request: range, reply: errorOnly },
  moverRead: { code: 0xa06, request: range, reply: errorOnly },
  moverClose: { code: 0xa07, request: empty, reply: errorOnly },
  moverSetRecordSize: { code: 0xa08, request: struct({ recordSize: u32 }), reply: errorOnly },
  moverConnect: {
    code: 0xa09,
    request: struct({ mode: i32, address: addressV4 }),
    reply: errorOnly,
  },
};

/** Posts go from the server to the DMA and are never answered. Halt texts are v3's; some v4 servers add them. */
const POSTS_V4 = {
  notifyDataHalted: { code: 0x501, post: struct({ reason: i32, text: trailing(text, '') }) },
  notifyConnectionStatus: { code: 0x502, post: connectionStatus },
  notifyMoverHalted: { code: 0x503, post: struct({ reason: i32, text: trailing(text, '') }) },
  notifyMoverPaused: { code: 0x504, post: paused },
  notifyDataRead: { code: 0x505, post: range },
  logFile: { code: 0x602, post: logFileV4 },
  logMessage: { code: 0x603, post: logMessageV4 },
  fhAddFile: { code: 0x703, post: array(historyFile) },
  fhAddDir: { code: 0x704, post: array(historyDir) },
  fhAddNode: { code: 0x705, post: array(historyNode) },
};

export type RequestName = keyof typeof REQUESTS_V4;
export type PostName = keyof typeof POSTS_V4;
export type RequestBody<N extends RequestName> = Infer<(typeof REQUESTS_V4)[N]['request']>;
export type ReplyBody<N extends RequestName> = Infer<(typeof REQUESTS_V4)[N]['reply']>;
export type PostBody<N extends PostName> = Infer<(typeof POSTS_V4)[N]['post']>;

export interface RequestRow<N extends RequestName = RequestName> {
  readonly kind: 'request';
  readonly code: number;
  readonly name: N;
  readonly request: Codec<RequestBody<N>>;
  readonly reply: Codec<ReplyBody<N>>;
}

export interface PostRow<N extends PostName = PostName> {
  readonly kind: 'post';
  readonly code: number;
  readonly name: N;
  readonly post: Codec<PostBody<N>>;
}

type Requests = typeof REQUESTS_V4;
type Posts = typeof POSTS_V4;
type Overrides<T> = { [K in keyof T]?: Omit<T[K], 'code'> };

const moverStateV4 = REQUESTS_V4.moverGetState.reply;
type MoverState = Infer<typeof moverStateV4>;

/** v3 has no mode word, and one address instead of a list of them. */
const moverStateV3: Codec<MoverState> = mapped(
  struct({
    error,
    state: i32,
    pauseReason: i32,
    haltReason: i32,
    recordSize: u32,
    recordNumber: u32,
    bytesMoved: u64,
    seekPosition: u64,
    bytesLeftToRead: u64,
    windowOffset: u64,
    windowLength: u64,
    address: addressV3,
  }),
  (wire): MoverState => ({ ...wire, mode: MOVER_MODE.noAction }),
  (value) => value,
);

const tapeStateV4 = REQUESTS_V4.tapeGetState.reply;
const tapeStateV3: typeof tapeStateV4 = {
  bytesMin: tapeStateV4.bytesMin,
  encode(writer, value) {
    tapeStateV4.encode(writer, value);
    writer.u32(0xffff_ffff); // partition: unknown
  },
  decode(reader) {
    const value = tapeStateV4.decode(reader);
    if (reader.remaining >= 4) reader.skip(4);
    return value;
  },
};

const haltedV3 = struct({ reason: i32, text: trailing(text, '') });

const REQUESTS_V3: Overrides<Requests> = {
  tapeGetState: { request: empty, reply: tapeStateV3 },
  dataGetState: {
    request: empty,
    reply: struct({
      unsupported: u32,
      error,
      operation: i32,
      state: i32,
      haltReason: i32,
      bytesProcessed: u64,
      bytesRemain: u64,
      timeRemain: u32,
      address: addressV3,
      readOffset: u64,
      readLength: u64,
    }),
  },
  dataListen: {
    request: struct({ addressType: i32 }),
    reply: struct({ error, address: addressV3 }),
  },
  dataConnect: { request: struct({ address: addressV3 }), reply: errorOnly },
  moverGetState: { request: empty, reply: moverStateV3 },
  moverListen: {
    request: struct({ mode: i32, addressType: i32 }),
    reply: struct({ error, address: addressV3 }),
  },
  moverConnect: { request: struct({ mode: i32, address: addressV3 }), reply: errorOnly },
};

const POSTS_V3: Overrides<Posts> = {
  notifyDataHalted: { post: haltedV3 },
  notifyMoverHalted: { post: haltedV3 },
  logFile: { post: logFileV3 },
  logMessage: { post: logMessageV3 },
};

/** Messages that came with v4. */
const NOT_IN_V3: ReadonlySet<string> = new Set(['configSetExtList', 'configGetExtList']);

export type NdmpVersion = 3 | 4;
export const VERSION_MAX: NdmpVersion = 4;

/** All messages of one version, by name and by code. */
export interface MessageTable {
  readonly version: NdmpVersion;
  readonly requests: { readonly [N in RequestName]: RequestRow<N> };
  readonly posts: { readonly [N in PostName]: PostRow<N> };
  byCode(code: number): RequestRow | PostRow | undefined;
}

function buildTable(version: NdmpVersion): MessageTable {
  const rows = new Map<number, RequestRow | PostRow>();
  const requests: Record<string, unknown> = {};
  const posts: Record<string, unknown> = {};
  const isV3 = version === 3;
  for (const [name, base] of Object.entries(REQUESTS_V4)) {
    const codecs = isV3 ? REQUESTS_V3[name as RequestName] : undefined;
    const row = { kind: 'request', name, ...base, ...codecs } as unknown as RequestRow;
    requests[name] = row;
    if (!(isV3 && NOT_IN_V3.has(name))) rows.set(base.code, row);
  }
  for (const [name, base] of Object.entries(POSTS_V4)) {
    const codecs = isV3 ? POSTS_V3[name as PostName] : undefined;
    const row = { kind: 'post', name, ...base, ...codecs } as unknown as PostRow;
    posts[name] = row;
    rows.set(base.code, row);
  }
  return {
    version,
    requests: requests as MessageTable['requests'],
    posts: posts as MessageTable['posts'],
    byCode: (code) => rows.get(code),
  };
}

const TABLES: Readonly<Record<NdmpVersion, MessageTable>> = { 3: buildTable(3), 4: buildTable(4) };

export function messagesOf(version: NdmpVersion): MessageTable {
  return TABLES[version];
}
