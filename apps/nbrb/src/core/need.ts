// What a request wants, one drive and volume at a time. Requests whose needs have the same key get the same offers.

import type { Attempt, ResourceRequest } from '@tapestry/contracts';

/** A request in the queue; `key` names its attempt. */
export interface Waiting {
  readonly key: string;
  readonly request: ResourceRequest;
}

/** One drive and volume of a request, as nbemm is asked for it. */
export interface Need {
  readonly key: string;
  readonly request: ResourceRequest;
}

export const DEFAULT_POOL = 'NetBackup';

export function attemptKey({ jobId, try: attempt, step }: Attempt): string {
  return `${jobId}/${attempt}/${step}`;
}

/** The needs of a request: its own, then those that it names beside it. */
export function needsOf(request: ResourceRequest): Need[] {
  return [request, ...request.more].map((part) => {
    const alone = { ...request, ...part, more: [] };
    return { key: needKey(alone), request: alone };
  });
}

function needKey(request: ResourceRequest): string {
  const { mode, storageUnit, pool, retentionLevel, mediaId, avoidMediaIds, ndmp, disk } = request;
  const { label } = request;
  const own = [mode, storageUnit, pool, retentionLevel, mediaId, ndmp, disk];
  const labelled = label === null ? [] : [label.drive, label.mediaServer, label.density];
  return [...own, ...avoidMediaIds, ...labelled].join('\u0000');
}

export function poolOf(request: ResourceRequest): string {
  return request.pool === '' ? DEFAULT_POOL : request.pool;
}

export function isWrite(request: ResourceRequest): boolean {
  return request.mode !== 'DRIVE_MODE_READ';
}

export function jobOf(request: ResourceRequest): bigint {
  return request.attempt?.jobId ?? 0n;
}
