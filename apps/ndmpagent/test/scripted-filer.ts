// A filer whose every answer the test writes: for refusals and oddities that no server at hand shows. It speaks v2 to v4,
// logs everybody in, and connects to nobody; what a test does not script is answered well and blank.

import net from 'node:net';
import {
  AUTH_TYPE,
  blankReply,
  encodePost,
  encodeReply,
  messagesOf,
  NDMP_ERROR,
  type NdmpVersion,
  type PostBody,
  type PostName,
  RecordFramer,
  type RequestName,
  splitRecord,
  XdrReader,
} from '@tapestry/ndmp';

export interface Answer {
  readonly error?: number;
  readonly fields?: Record<string, unknown>;
  /** Sent before the reply, and after it. */
  readonly before?: readonly Post[];
  readonly after?: readonly Post[];
  /** The connection ends instead. */
  readonly hangUp?: true;
  /** Nothing is answered. */
  readonly silent?: true;
}

export type Post = { [N in PostName]: { name: N; body: PostBody<N> } }[PostName];

export interface Heard {
  readonly name: RequestName;
  readonly version: NdmpVersion;
  readonly body: Record<string, unknown>;
}

export interface ScriptedFiler {
  readonly port: number;
  readonly heard: readonly Heard[];
  close(): void;
}

type Script = Partial<Record<RequestName, (heard: Heard) => Answer>>;

const ATTRS = 0xffff;
const DEFAULTS: Script = {
  configGetServerInfo: () => ({
    fields: { vendor: 'Scripted', product: 'Filer', authTypes: [AUTH_TYPE.text, AUTH_TYPE.md5] },
  }),
  configGetAuthAttr: () => ({
    fields: { attr: { authType: AUTH_TYPE.md5, challenge: Buffer.alloc(64, 1) } },
  }),
  configGetButypeInfo: () => ({
    fields: { butypes: [{ name: 'tar', defaultEnv: [], attrs: ATTRS }] },
  }),
};

export async function startScriptedFiler(script: Script): Promise<ScriptedFiler> {
  const heard: Heard[] = [];
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    serve(socket, { ...DEFAULTS, ...script }, heard);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    heard,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function serve(socket: net.Socket, script: Script, heard: Heard[]): void {
  const framer = new RecordFramer(1_000_000);
  let version: NdmpVersion = 4;
  let sequence = 0;
  const stamp = () => {
    sequence += 1;
    return { version, sequence, timeStamp: 1 };
  };
  const post = ({ name, body }: Post): void => {
    socket.write(encodePost(stamp(), name, body as never));
  };
  const take = (record: Buffer): void => {
    const { header, body } = splitRecord(record);
    const row = messagesOf(version).byCode(header.code);
    if (row?.kind !== 'request') return;
    const { name } = row;
    const asked = { name, version, body: row.request.decode(new XdrReader(body)) as never };
    heard.push(asked);
    const answer = script[name]?.(asked) ?? {};
    if (answer.hangUp || name === 'connectClose') return void socket.end();
    if (answer.silent) return;
    answer.before?.forEach(post);
    const error = answer.error ?? NDMP_ERROR.noError;
    const reply = { ...blankReply(name, error), ...answer.fields };
    if (name === 'connectOpen' && error === 0) version = (asked.body as { version: 4 }).version;
    socket.write(encodeReply(stamp(), name, header.sequence, reply as never));
    answer.after?.forEach(post);
  };
  socket.on('data', (chunk) => framer.push(chunk, take));
  post({ name: 'notifyConnectionStatus', body: { reason: 0, version: 4, text: '' } });
}
