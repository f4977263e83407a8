// File lists come in by HTTP: a one-time ticket over the bus, then a PUT with it. Promises that an image's file list is
// recorded only once the whole file is on disk, and that a repeated PUT changes nothing.

import { createHash, randomBytes } from 'node:crypto';
import type { Handlers } from '@tapestry/bus';
import type { FastifyInstance } from '@tapestry/runtime';
import { asStatusError, StatusError, type StatusName } from '@tapestry/status';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { findImage, isOf } from './adapters/image-rows.ts';
import type { Parts } from './parts.ts';

const TICKET_MS = 60 * 60 * 1_000;
/** A slow line has this long for one file list. */
const UPLOAD_MS = 60 * 60 * 1_000;

export function ticketHandlers(parts: Parts): Pick<Handlers<'bpdbm'>, 'IssueFileListTicket'> {
  return {
    IssueFileListTicket: async ({ attempt, backupId, fileList }) => {
      if (fileList === null || fileList.sha256.length !== 32) {
        throw new StatusError('invalidRequest', 'a ticket is for a file list with its SHA-256');
      }
      if (fileList.sizeBytes > BigInt(parts.fileListBytesMax)) {
        const max = parts.fileListBytesMax;
        throw new StatusError('invalidParameter', `a file list has at most ${max} bytes`);
      }
      const image = await findImage(parts.store.db, backupId);
      if (!isOf(image, attempt)) {
        throw new StatusError('staleGrant', `image ${backupId} belongs to another attempt`);
      }
      const sha256 = Buffer.from(fileList.sha256);
      const url = `${parts.uploadUrl()}/file-lists/${encodeURIComponent(backupId)}`;
      if (image.list_sha256?.equals(sha256)) return { url, ticket: '', delivered: true };
      if (image.state !== 'provisional') {
        throw new StatusError('imageAlreadyValidated', `image ${backupId} is valid already`);
      }
      const ticket = randomBytes(32).toString('base64url');
      const expiresMs = parts.nowMs() + TICKET_MS;
      await parts.store.db
        .insertInto('tickets')
        .values({
          ...{ ticket_hash: hashOf(ticket), backup_id: backupId, sha256 },
          ...{ size_bytes: fileList.sizeBytes, expires_ms: expiresMs },
        })
        .execute();
      return { url, ticket, delivered: false };
    },
  };
}

function hashOf(ticket: string): Buffer {
  return createHash('sha256').update(ticket).digest();
}

/** Adds the route. Call it before the server listens; `parts` may come later, until then uploads get 503. */
export function addUploadRoute(http: FastifyInstance, parts: () => Parts | undefined): void {
  // The body stays a stream: it goes to disk as it comes.
  const types = ['application/vnd.apache.parquet', 'application/octet-stream'];
  http.addContentTypeParser(types, (_request, _payload, done) => done(null));
  http.server.requestTimeout = UPLOAD_MS;
  http.put('/file-lists/:backupId', async (request, reply) => {
    const ready = parts();
    if (ready === undefined) return await reply.code(503).send({ error: 'starting' });
    return await answer(ready, request, reply);
  });
}

async function answer(parts: Parts, request: FastifyRequest, reply: FastifyReply) {
  try {
    await upload(parts, request);
    return await reply.code(204).send();
  } catch (error) {
    const failure = asStatusError(error);
    const http = httpStatus(failure.status);
    if (http === 500) parts.log.error({ err: error }, 'a file list could not be received');
    // The rest of a body that nobody wants would only take up the line.
    reply.header('connection', 'close');
    const { code, detail } = failure;
    return await reply.code(http).send({ code, name: failure.status, detail });
  }
}

function httpStatus(status: StatusName): number {
  switch (status) {
    case 'authenticationFailed':
      return 401;
    case 'notFound':
      return 404;
    case 'invalidEntry':
    case 'imageInconsistent':
    case 'earlyEof':
      return 422;
    default:
      return 500;
  }
}

async function upload(parts: Parts, request: FastifyRequest): Promise<void> {
  const { backupId } = request.params as { backupId: string };
  const ticket = await findTicket(parts, backupId, request.headers.authorization ?? '');
  const image = await findImage(parts.store.db, backupId);
  if (image.list_sha256?.equals(ticket.sha256)) return;
  const list = { client: image.client, backupId, sha256: ticket.sha256.toString('hex') };
  const sizeBytes = Number(ticket.size_bytes);
  if (Number(request.headers['content-length'] ?? sizeBytes) !== sizeBytes) {
    throw new StatusError('invalidEntry', `the ticket is for ${sizeBytes} bytes`);
  }
  await parts.files.receive(list, sizeBytes, request.raw);
  const kept = await parts.store.db
    .updateTable('images')
    .set({ list_sha256: ticket.sha256, list_size_bytes: ticket.size_bytes })
    .where('backup_id', '=', backupId)
    .where('state', '=', 'provisional')
    .returning('backup_id')
    .execute();
  if (kept.length > 0) return;
  // It was abandoned while the file came in.
  await parts.files.remove(list);
  throw new StatusError('notFound', `the image ${backupId} is no longer provisional`);
}

async function findTicket(parts: Parts, backupId: string, authorization: string) {
  const bearer = /^Bearer ([A-Za-z0-9_-]{43})$/.exec(authorization)?.[1];
  const found =
    bearer === undefined
      ? undefined
      : await parts.store.db
          .selectFrom('tickets')
          .selectAll()
          .where('ticket_hash', '=', hashOf(bearer))
          .where('backup_id', '=', backupId)
          .where('expires_ms', '>', parts.nowMs())
          .executeTakeFirst();
  if (found === undefined) {
    throw new StatusError('authenticationFailed', 'no valid ticket for this file list');
  }
  return found;
}
