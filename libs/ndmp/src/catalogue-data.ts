// The DATA messages. A v2 server has no DATA_LISTEN and no DATA_CONNECT: its start requests carry the
// mover's address, and it makes the connection itself.

import { addressV2, addressV3, addressV4, type NdmpAddress } from './addresses.ts';
import { request, SINCE_V3 } from './catalogue-row.ts';
import {
  array,
  type Codec,
  empty,
  errorOnly,
  error as errorWord,
  type Infer,
  i32,
  mapped,
  struct,
  text,
  u32,
  u64,
} from './codec.ts';
import { U64_MAX } from './constants.ts';
import { type NameEntry, nameEntry, type Pval, pval } from './structures.ts';

const error = errorWord;

const progress = {
  operation: i32,
  state: i32,
  haltReason: i32,
  bytesProcessed: u64,
  bytesRemain: u64,
  timeRemain: u32,
};
const ranges = { readOffset: u64, readLength: u64 };
const dataStateV4 = struct({ unsupported: u32, error, ...progress, address: addressV4, ...ranges });
type DataState = Infer<typeof dataStateV4>;
const dataStateV3 = struct({ unsupported: u32, error, ...progress, address: addressV3, ...ranges });
const dataStateV2: Codec<DataState> = mapped(
  struct({ error, ...progress, address: addressV2, ...ranges }),
  (wire) => ({ ...wire, unsupported: 0 }),
  (value) => value,
);

interface StartBackup {
  butype: string;
  env: Pval[];
  /** v2 alone: where the stream goes; LOCAL when missing. */
  mover?: NdmpAddress;
}

interface StartRecover {
  env: Pval[];
  names: NameEntry[];
  butype: string;
  /** v2 alone: where the stream comes from; LOCAL when missing. */
  mover?: NdmpAddress;
}

const LOCAL: NdmpAddress = { type: 'local' };
const env = array(pval);
const backup: Codec<StartBackup> = struct({ butype: text, env });
const backupV2: Codec<StartBackup> = mapped(
  struct({ mover: addressV2, butype: text, env }),
  (wire) => wire,
  (value) => ({ ...value, mover: value.mover ?? LOCAL }),
);
const recover: Codec<StartRecover> = struct({ env, names: array(nameEntry), butype: text });

/** v2 has neither new names nor nodes, but a word ("ssid") that means nothing to anybody. */
const nameEntryV2: Codec<NameEntry> = mapped(
  struct({ originalPath: text, destinationPath: text, ssid: u32, fhInfo: u64 }),
  ({ ssid: _, ...wire }) => ({ ...wire, name: '', otherName: '', node: U64_MAX }),
  (value) => ({ ...value, ssid: 0 }),
);
const recoverV2: Codec<StartRecover> = mapped(
  struct({ mover: addressV2, env, names: array(nameEntryV2), butype: text }),
  (wire) => wire,
  (value) => ({ ...value, mover: value.mover ?? LOCAL }),
);

export const DATA_REQUESTS = {
  dataGetState: request({
    code: 0x400,
    request: empty,
    reply: dataStateV4,
    v3: { reply: dataStateV3 },
    v2: { reply: dataStateV2 },
  }),
  dataStartBackup: request({
    code: 0x401,
    request: backup,
    reply: errorOnly,
    v2: { request: backupV2 },
  }),
  dataStartRecover: request({
    code: 0x402,
    request: recover,
    reply: errorOnly,
    v2: { request: recoverV2 },
  }),
  dataAbort: request({ code: 0x403, request: empty, reply: errorOnly }),
  dataGetEnv: request({ code: 0x404, request: empty, reply: struct({ error, env }) }),
  dataStop: request({ code: 0x407, request: empty, reply: errorOnly }),
  dataListen: request({
    code: 0x409,
    request: struct({ addressType: i32 }),
    reply: struct({ error, address: addressV4 }),
    versions: SINCE_V3,
    v3: { reply: struct({ error, address: addressV3 }) },
  }),
  dataConnect: request({
    code: 0x40a,
    request: struct({ address: addressV4 }),
    reply: errorOnly,
    versions: SINCE_V3,
    v3: { request: struct({ address: addressV3 }) },
  }),
  dataStartRecoverFileHistory: request({
    code: 0x40b,
    request: recover,
    reply: errorOnly,
    v2: { request: recoverV2 },
  }),
};
