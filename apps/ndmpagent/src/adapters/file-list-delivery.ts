// Brings a finished file list to bpdbm: a one-time ticket over the bus, the file over HTTP, tried again until bpdbm has it.

import { createReadStream } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';
import type { Client } from '@tapestry/bus';
import type { Attempt, FileListRef } from '@tapestry/contracts';
import { untilAnswered } from '@tapestry/runtime/until-answered';
import { StatusError } from '@tapestry/status';

export interface Delivery {
  readonly attempt: Attempt;
  readonly backupId: string;
  readonly file: string;
  readonly fileList: FileListRef;
}

/** A PUT that does not move for so long is broken off, and tried again. */
const IDLE_MS = 60_000;
const ANSWER_MAX_CHARS = 2_000;

/** Resolves when bpdbm has the file, byte for byte. Errors: what bpdbm refuses for good. */
export function deliverFileList(
  bpdbm: Client<'bpdbm'>,
  delivery: Delivery,
  signal: AbortSignal,
  onFailure: (error: StatusError) => void,
): Promise<void> {
  return untilAnswered((call) => deliverOnce(bpdbm, delivery, call), { signal, onFailure });
}

async function deliverOnce(
  bpdbm: Client<'bpdbm'>,
  { attempt, backupId, file, fileList }: Delivery,
  signal: AbortSignal,
): Promise<void> {
  const { url, ticket, delivered } = await bpdbm.IssueFileListTicket(
    { attempt, backupId, fileList },
    { signal },
  );
  if (delivered) return;
  const { status, text } = await put(url, ticket, file, fileList, signal);
  if (status >= 200 && status < 300) return;
  // Whatever was wrong may be right with a fresh ticket; bpdbm says by the bus when it never will be.
  throw new StatusError('networkBroken', `bpdbm answered the file list with ${status}: ${text}`);
}

async function put(
  url: string,
  ticket: string,
  file: string,
  { sizeBytes, sha256 }: FileListRef,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  const send = url.startsWith('https:') ? httpsRequest : httpRequest;
  const request = send(url, {
    method: 'PUT',
    signal,
    timeout: IDLE_MS,
    headers: {
      authorization: `Bearer ${ticket}`,
      'content-type': 'application/vnd.apache.parquet',
      'content-length': String(sizeBytes),
      'x-content-sha256': Buffer.from(sha256).toString('hex'),
    },
  });
  request.on('timeout', () => request.destroy(new Error('bpdbm does not take the file list')));
  const answer = new Promise<{ status: number; text: string }>((resolve, reject) => {
    request.on('error', reject);
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text = (text + chunk).slice(0, ANSWER_MAX_CHARS);
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', reject);
    });
  });
  try {
    // An early refusal ends the sending; then its answer counts.
    const sent = pipeline(createReadStream(file), request).catch(() => undefined);
    const [result] = await Promise.all([answer, sent]);
    return result;
  } catch (error) {
    if (error instanceof StatusError) throw error;
    throw new StatusError(
      'networkBroken',
      `file list to bpdbm: ${(error as Error).message}`,
      {},
      { cause: error },
    );
  }
}
