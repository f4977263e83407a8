// What a server posts on its own: NOTIFY, LOG and file history.

import { moverHaltReasonV3, moverPaused, moverPausedV2 } from './catalogue-device.ts';
import { ONLY_V2, post } from './catalogue-row.ts';
import { array, type Codec, type Infer, i32, struct, text, trailing, u32, u64 } from './codec.ts';
import { historyDir, historyFile, historyNode } from './history-codec.ts';
import { historyDirV2, historyFileV2, historyNodeV2 } from './history-codec-v2.ts';
import {
  logFileV2,
  logFileV3,
  logFileV4,
  logMessageV2,
  logMessageV3,
  logMessageV4,
} from './structures.ts';

const haltedV3 = struct({ reason: i32, text: trailing(text, '') });
const moverHaltedV3 = struct({ reason: moverHaltReasonV3, text: trailing(text, '') });

/** v4 dropped the text; some v4 servers go on to send it. */
const haltedV4: Codec<Infer<typeof haltedV3>> = {
  bytesMin: 4,
  encode: (writer, value) => writer.i32(value.reason),
  decode: haltedV3.decode,
};

export const POSTS = {
  notifyDataHalted: post({ code: 0x501, post: haltedV4, v3: { post: haltedV3 } }),
  /** The layout may never change: it is read before a version is agreed. */
  notifyConnectionStatus: post({
    code: 0x502,
    post: struct({ reason: i32, version: u32, text: trailing(text, '') }),
  }),
  notifyMoverHalted: post({ code: 0x503, post: haltedV4, v3: { post: moverHaltedV3 } }),
  notifyMoverPaused: post({ code: 0x504, post: moverPaused, v2: { post: moverPausedV2 } }),
  notifyDataRead: post({ code: 0x505, post: struct({ offset: u64, length: u64 }) }),
  /** v2 only; its LOG_LOG is logMessage here. */
  logDebug: post({
    code: 0x601,
    post: struct({ level: u32, text }),
    versions: ONLY_V2,
  }),
  logFile: post({
    code: 0x602,
    post: logFileV4,
    v3: { post: logFileV3 },
    v2: { post: logFileV2 },
  }),
  logMessage: post({
    code: 0x603,
    post: logMessageV4,
    v3: { post: logMessageV3 },
    v2: { code: 0x600, post: logMessageV2 },
  }),
  fhAddFile: post({
    code: 0x703,
    post: array(historyFile),
    v2: { code: 0x700, post: array(historyFileV2) },
  }),
  fhAddDir: post({
    code: 0x704,
    post: array(historyDir),
    v2: { code: 0x701, post: array(historyDirV2) },
  }),
  fhAddNode: post({
    code: 0x705,
    post: array(historyNode),
    v2: { code: 0x702, post: array(historyNodeV2) },
  }),
};
