// SCSI commands to the changer that is open on an NDMP connection.

import { IscsiError, type ScsiRequest, type ScsiResult, type ScsiTransport } from '@tapestry/iscsi';
import { type NdmpClient, NdmpError, SCSI_FLAGS } from '@tapestry/ndmp';

/** The answer may take this much longer than the command was given. */
const ANSWER_GRACE_MS = 10_000;

export class NdmpScsiTransport implements ScsiTransport {
  /** The connection is one nexus, and there is no second one: who lost it opens another transport. */
  readonly nexus = 1;
  readonly #client: NdmpClient;
  readonly #signal: AbortSignal;

  constructor(client: NdmpClient, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  async connect(): Promise<number> {
    return this.nexus;
  }

  async execute({ cdb, dataOut = [], dataIn, timeoutMs }: ScsiRequest): Promise<ScsiResult> {
    const out = Buffer.concat(dataOut);
    const flags =
      dataIn !== undefined ? SCSI_FLAGS.dataIn : out.length > 0 ? SCSI_FLAGS.dataOut : 0;
    const request = {
      ...{ flags, timeoutMs, dataInLength: dataIn?.length ?? 0 },
      ...{ cdb: Buffer.from(cdb), dataOut: out },
    };
    const options = { timeoutMs: timeoutMs + ANSWER_GRACE_MS, signal: this.#signal };
    const reply = await this.#client.scsi.executeCdb(request, options).catch((error: unknown) => {
      throw scsiFailure(error);
    });
    const data = dataIn?.subarray(0, Math.min(dataIn.length, reply.dataIn.length));
    reply.dataIn.copy(data ?? Buffer.alloc(0));
    const residualBytes = (dataIn?.length ?? 0) - reply.dataIn.length;
    const { status, sense } = reply;
    return { status, sense, data: data ?? Buffer.alloc(0), residualBytes };
  }
}

function scsiFailure(error: unknown): unknown {
  if (!(error instanceof NdmpError)) return error;
  const isRefused = error.failure === 'refused';
  const failure = isRefused ? 'refused' : error.failure === 'timedOut' ? 'timedOut' : 'closed';
  const extra = { mayHaveTakenEffect: !isRefused, cause: error };
  return new IscsiError(failure, error.message, extra);
}
