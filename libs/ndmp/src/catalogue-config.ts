// The CONNECT and CONFIG messages, and the test extension that negotiation is tried out with.

import { ONLY_V2, ONLY_V4, request, SINCE_V3 } from './catalogue-row.ts';
import {
  array,
  type Codec,
  empty,
  errorOnly,
  error as errorWord,
  i32,
  mapped,
  struct,
  text,
  u32,
} from './codec.ts';
import {
  authAttr,
  authData,
  butypeInfo,
  butypeInfoV3,
  type ClassChoice,
  classList,
  classVersion,
  deviceInfo,
  fsInfo,
} from './structures.ts';

const error = errorWord;
const devices = struct({ error, devices: array(deviceInfo) });
const authTypes = array(i32);

interface HostInfo {
  error: number;
  hostname: string;
  osType: string;
  osVersion: string;
  hostId: string;
  /** v2 alone tells the log-in methods here. */
  authTypes?: number[];
}

const hostInfo = struct({ error, hostname: text, osType: text, osVersion: text, hostId: text });
const hostInfoV2 = struct({
  error,
  hostname: text,
  osType: text,
  osVersion: text,
  hostId: text,
  authTypes,
});

interface Echo {
  message: string;
  /** Version 2 of the extension. */
  short?: number;
}

/** Which of its two layouts a body has is settled by negotiation; the bytes tell them apart as well. */
const echo: Codec<Echo> = {
  bytesMin: 4,
  encode(writer, value) {
    writer.text(value.message);
    if (value.short !== undefined) writer.u32(value.short);
  },
  decode(reader) {
    const message = reader.text();
    return reader.remaining >= 4 ? { message, short: reader.u32() } : { message };
  },
};

const echoReply: Codec<Echo & { error: number }> = {
  bytesMin: 8,
  encode(writer, value) {
    writer.u32(value.error);
    echo.encode(writer, value);
  },
  decode: (reader) => ({ error: reader.u32(), ...echo.decode(reader) }),
};

interface Selection {
  selected: ClassChoice[];
}

const selection: Codec<Selection> = struct({ selected: array(classVersion) });

/**
 * NDMJOB and what descends from it send an error word and lists of versions, where the draft has the
 * choices alone: then the first word, which counts the draft's choices, is 0 and more follows.
 */
const anySelection: Codec<Selection> = {
  ...selection,
  decode(reader) {
    const chosen = selection.decode(reader);
    if (chosen.selected.length > 0 || reader.remaining < 4) return chosen;
    const classes = array(classList).decode(reader);
    const selected = classes.map(({ classId, versions: [version = 0] }) => ({ classId, version }));
    return { selected };
  },
};

export const CONNECT_REQUESTS = {
  connectOpen: request({ code: 0x900, request: struct({ version: u32 }), reply: errorOnly }),
  connectClientAuth: request({
    code: 0x901,
    request: struct({ auth: authData }),
    reply: errorOnly,
  }),
  connectClose: request({ code: 0x902, request: empty, reply: empty }),
  connectServerAuth: request({
    code: 0x903,
    request: struct({ attr: authAttr }),
    reply: struct({ error, result: authData }),
  }),
};

export const CONFIG_REQUESTS = {
  configGetHostInfo: request({
    code: 0x100,
    request: empty,
    reply: hostInfo as Codec<HostInfo>,
    v2: {
      reply: mapped(
        hostInfoV2,
        (wire): HostInfo => wire,
        (value) => ({ ...value, authTypes: value.authTypes ?? [] }),
      ),
    },
  }),
  configGetButypeAttr: request({
    code: 0x101,
    request: struct({ name: text }),
    reply: struct({ error, attrs: u32 }),
    versions: ONLY_V2,
  }),
  /** v2 calls it GET_MOVER_TYPE. */
  configGetConnectionType: request({
    code: 0x102,
    request: empty,
    reply: struct({ error, types: array(i32) }),
  }),
  configGetAuthAttr: request({
    code: 0x103,
    request: struct({ authType: i32 }),
    reply: struct({ error, attr: authAttr }),
  }),
  configGetButypeInfo: request({
    code: 0x104,
    request: empty,
    reply: struct({ error, butypes: array(butypeInfo) }),
    versions: SINCE_V3,
    v3: { reply: struct({ error, butypes: array(butypeInfoV3) }) },
  }),
  configGetFsInfo: request({
    code: 0x105,
    request: empty,
    reply: struct({ error, fileSystems: array(fsInfo) }),
    versions: SINCE_V3,
  }),
  configGetTapeInfo: request({ code: 0x106, request: empty, reply: devices, versions: SINCE_V3 }),
  configGetScsiInfo: request({ code: 0x107, request: empty, reply: devices, versions: SINCE_V3 }),
  configGetServerInfo: request({
    code: 0x108,
    request: empty,
    reply: struct({ error, vendor: text, product: text, revision: text, authTypes }),
    versions: SINCE_V3,
  }),
  configSetExtList: request({
    code: 0x109,
    request: anySelection,
    reply: errorOnly,
    versions: ONLY_V4,
  }),
  configGetExtList: request({
    code: 0x10a,
    request: empty,
    reply: struct({ error, classes: array(classList) }),
    versions: ONLY_V4,
  }),
  /** TEST_ECHO of the test extension, class 0x7ff0. */
  testEcho: request({ code: 0x7ff0_0000, request: echo, reply: echoReply, versions: ONLY_V4 }),
};
