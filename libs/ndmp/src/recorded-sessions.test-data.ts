// Conversations of a DMA with the server in memory, and their recordings.

import type { NdmpAddress } from './addresses.ts';
import { NdmpClient } from './client.ts';
import type { NdmpTransport, Notification } from './client-connection.ts';
import {
  ADDR_TYPE,
  MOVER_MODE,
  NDMP_ERROR,
  TAPE_MTIO,
  TAPE_OPEN_MODE,
  U64_MAX,
} from './constants.ts';
import type { NdmpVersion } from './messages.ts';
import { NdmpError } from './ndmp-error.ts';
import type { ServerFacts } from './server-state.ts';
import { SessionHarness } from './session-harness.test-data.ts';
import type { TraceChunk } from './trace.ts';

const LOCAL: NdmpAddress = { type: 'local' };
export const RECORD_BYTES = 64;
export const IMAGE: Buffer = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 5) % 253));

export interface Stage {
  readonly harness: SessionHarness;
  readonly client: NdmpClient;
  readonly heard: Notification[];
  readonly chunks: TraceChunk[];
}

/** A DMA on the wire to the server in memory; everything said is recorded. */
export function connect(changes: Partial<ServerFacts> = {}): Stage {
  const harness = new SessionHarness(changes);
  const chunks: TraceChunk[] = [];
  const heard: Notification[] = [];
  let toClient: (chunk: Buffer) => void = () => {};
  const transport: NdmpTransport = {
    write(bytes) {
      const copy = Buffer.from(bytes);
      chunks.push({ from: 'dma', bytes: copy });
      harness.session.receive(copy);
    },
    onData: (handler) => {
      toClient = handler;
    },
    onClose: () => {},
    close: () => {},
  };
  const client = new NdmpClient({
    transport,
    callTimeoutMs: 5000,
    handlers: { onNotify: (notification) => heard.push(notification) },
  });
  harness.onSend = (bytes) => {
    chunks.push({ from: 'server', bytes });
    queueMicrotask(() => toClient(bytes));
  };
  harness.session.greet();
  return { harness, client, heard, chunks };
}

/** The code of the refusal that this call is answered with; 0 for none. */
export async function refusal(call: Promise<unknown>): Promise<number> {
  try {
    await call;
    return NDMP_ERROR.noError;
  } catch (error) {
    if (error instanceof NdmpError && error.failure === 'refused') return error.error;
    throw error;
  }
}

async function logIn({ client }: Stage, versionMax: NdmpVersion): Promise<void> {
  await client.connectOpen({ versionMax });
  await refusal(client.getState());
  await client.getServerInfo();
  await client.authMd5('ndmp', 'secret');
}

export async function inventory(stage: Stage, version: NdmpVersion): Promise<void> {
  const { client } = stage;
  await logIn(stage, version);
  await client.getHostInfo();
  await client.getButypeInfo();
  await client.getConnectionTypes();
  if (version > 2) {
    await client.getFsInfo();
    await client.getTapeInfo();
    await client.getScsiInfo();
  }
  await client.getExtensions();
  if (version === 4) {
    await client.setExtensions([{ classId: 0x7ff0, version: 2 }]);
    await client.testEcho({ message: 'hello', short: 4 });
  }
  await client.scsi.open('mc0');
  await client.scsi.executeCdb({
    flags: 0,
    timeoutMs: 1000,
    dataInLength: 0,
    cdb: Buffer.alloc(6),
    dataOut: Buffer.alloc(0),
  });
  await client.scsi.getState();
  if (version < 4) await refusal(client.scsi.resetBus());
  await client.scsi.close();
  client.close();
}

/** A local backup of IMAGE with a label before it, and a local recovery of a part of it. */
export async function backupAndRecover(stage: Stage, version: NdmpVersion): Promise<Buffer> {
  const { client, harness } = stage;
  await logIn(stage, version);
  await client.tape.open('nst0', TAPE_OPEN_MODE.readWrite);
  await client.tape.write(Buffer.from('label'));
  await client.tape.mtio(TAPE_MTIO.writeFilemarks, 1);
  const { read, write } = MOVER_MODE;
  const addressType = ADDR_TYPE.local;
  const recordSizeBytes = RECORD_BYTES;
  await client.mover.prepareListen({ mode: read, addressType, recordSizeBytes });
  await client.dataConnect(LOCAL);
  await client.startBackup({ butype: 'tar', env: [{ name: 'FILESYSTEM', value: '/x' }] });
  await harness.backUp(IMAGE);
  await client.mover.getState();
  await client.getState();
  await client.getEnv();
  await client.stop();
  await client.mover.stop();
  await client.tape.mtio(TAPE_MTIO.rewind, 1);
  await client.tape.mtio(TAPE_MTIO.forwardFiles, 1);
  await client.mover.prepareListen({ mode: write, addressType, recordSizeBytes });
  await client.dataConnect(LOCAL);
  const name = { originalPath: '/a', destinationPath: '/b', name: '', otherName: '' };
  const names = [{ ...name, node: U64_MAX, fhInfo: 512n }];
  await client.startRecover({ butype: 'tar', env: [], names });
  harness.session.feed({ type: 'dataRead', offset: 512n, length: 100n });
  const part = (await harness.dataEnd?.readAll(100)) ?? Buffer.alloc(0);
  await client.abort();
  await harness.settle(); // the mover notices by itself that DATA is gone
  await client.mover.abort();
  await client.stop();
  await client.mover.stop();
  await client.tape.close();
  client.close();
  return part;
}

/** Everything that a server must refuse and live on after. */
export async function nonsense(stage: Stage, version: NdmpVersion): Promise<number[]> {
  const { client } = stage;
  const errors: number[] = [];
  await logIn(stage, version);
  errors.push(
    await refusal(client.stop()),
    await refusal(client.mover.continue()),
    await refusal(client.tape.close()),
    await refusal(client.tape.open('bogus', 0)),
    await refusal(client.mover.listen(123, 0)),
    await refusal(client.tape.read(0x8000_0000)),
    await refusal(client.authMd5('ndmp', 'wrong')),
    await refusal(client.getState()),
  );
  client.close();
  return errors;
}

export const CONVERSATIONS = { inventory, backupAndRecover, nonsense };

/** What was said in a conversation, both ways. */
export async function recorded(
  name: keyof typeof CONVERSATIONS,
  version: NdmpVersion,
): Promise<{ stage: Stage; result: unknown }> {
  const stage = connect({ versionMax: version });
  const result = await CONVERSATIONS[name](stage, version);
  await stage.harness.settle();
  return { stage, result };
}
