// Mounts that wait for an operator, on every media server or on one: how they are listed and answered.

import type { AnswerPendingRequest, Init, PendingRow } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { type Context, requireSome } from './command.ts';
import { formatDateTime, secondsOf } from './date-time.ts';
import { table } from './render/table.ts';

export async function listPending(context: Context, host: string | undefined): Promise<number> {
  const rows = (
    await Promise.all((await hostsOf(context, host)).map((each) => read(context, each)))
  ).flat();
  requireSome(rows, 'no mount waits for an operator');
  const titles = ['media', 'barcode', 'drive', 'mode', 'job', 'since', 'media server', 'reason'];
  context.out(
    table(
      [{ title: 'request', right: true }, ...titles.map((title) => ({ title }))],
      rows.map(({ on, row }) => [
        ...[String(row.id), row.mediaId, row.barcode || '-', row.drive],
        row.mode === 'DRIVE_MODE_READ' ? 'read' : 'write',
        ...[
          String(row.grant?.attempt?.jobId ?? '-'),
          formatDateTime(secondsOf(row.sinceMs)),
          on,
          row.reason,
        ],
      ]),
    ),
  );
  return 0;
}

/** Each media server counts its own requests: without a host, that of this machine is meant. */
export async function answerPending(
  context: Context,
  host: string | undefined,
  answer: Init<AnswerPendingRequest>,
): Promise<number> {
  const ltid = await context.client('ltid', host ?? (await context.host()));
  await ltid.AnswerPending({ ...answer, requester: `${context.user}@${context.machine}` });
  return 0;
}

async function hostsOf(context: Context, host: string | undefined): Promise<readonly string[]> {
  if (host !== undefined) return [host];
  const { mediaServers } = await (await context.client('nbemm')).GetDevices({});
  return mediaServers.map(({ name }) => name);
}

/** Of a host that does not answer nothing is known. */
async function read(context: Context, on: string): Promise<{ on: string; row: PendingRow }[]> {
  try {
    const { requests } = await (await context.client('ltid', on)).ListPending({});
    return requests.map((row) => ({ on, row }));
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    context.error(`ltid on ${on}: ${error.code} ${error.detail}\n`);
    return [];
  }
}
