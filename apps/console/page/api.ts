// The typed way to the API. A refused call throws a Problem: what happened, with its status code, to be shown as
// it is.

import createClient from 'openapi-fetch';
import type { components, paths } from '../gen/api.d.ts';

export type Job = components['schemas']['Job'];
export type JobPage = components['schemas']['JobPage'];
export type JobDetail = components['schemas']['JobDetail'];
export type Line = components['schemas']['Line'];
export type Try = components['schemas']['Try'];
export type Counts = components['schemas']['Counts'];
export type Daemon = components['schemas']['Daemon'];
export type Devices = components['schemas']['Devices'];
export type Drive = components['schemas']['Drive'];
export type DiskUnit = components['schemas']['DiskUnit'];
export type Element = components['schemas']['Element'];
export type LibraryShape = components['schemas']['LibraryShape'];
export type Robot = components['schemas']['Robot'];
export type Volume = components['schemas']['Volume'];
export type VolumePage = components['schemas']['VolumePage'];
export type Waiting = components['schemas']['Waiting'];
export type MediaState = Volume['state'];
export type Session = components['schemas']['Session'];
export type JobsQuery = NonNullable<paths['/api/jobs']['get']['parameters']['query']>;

const TIMEOUT_MS = 30_000;

export const api = createClient<paths>({
  baseUrl: '/',
  fetch: (request) => fetch(request, { signal: AbortSignal.timeout(TIMEOUT_MS) }),
});

export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: number;
  readonly detail: string;
  /** Of HTTP; 0 when the console did not answer at all. */
  readonly http: number;

  constructor(
    text: string,
    { code, detail, http }: { code: number; detail: string; http: number },
  ) {
    super(text);
    this.code = code;
    this.detail = detail;
    this.http = http;
  }
}

interface Answer<T> {
  readonly data?: T;
  readonly error?: unknown;
  readonly response: Response;
}

/** The body of an answer, or a Problem thrown. */
export async function unwrap<T>(call: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await call;
  } catch {
    throw new Problem('The console does not answer', {
      code: 0,
      detail: 'It may be restarting, or the network is down. This page tries again by itself.',
      http: 0,
    });
  }
  if (answer.data !== undefined && answer.response.ok) return answer.data;
  const http = answer.response.status;
  const body = answer.error as { code?: number; text?: string; detail?: string } | undefined;
  throw new Problem(body?.text ?? `The console answered with HTTP ${http}`, {
    code: body?.code ?? 0,
    detail: body?.detail ?? '',
    http,
  });
}

export function isLoggedOut(error: unknown): boolean {
  return error instanceof Problem && error.http === 401;
}
