// The messages of one version, by name and by number. The catalogue-*.ts files hold the rows; the
// rest of this library walks the tables made here and knows no message by heart.

import { CONFIG_REQUESTS, CONNECT_REQUESTS } from './catalogue-config.ts';
import { DATA_REQUESTS } from './catalogue-data.ts';
import { MOVER_REQUESTS, SCSI_REQUESTS, TAPE_REQUESTS } from './catalogue-device.ts';
import { POSTS } from './catalogue-posts.ts';
import type { NdmpVersion, PostSpec, RequestSpec } from './catalogue-row.ts';
import type { Codec, Infer } from './codec.ts';

export type { NdmpVersion } from './catalogue-row.ts';

const REQUESTS = {
  ...CONNECT_REQUESTS,
  ...CONFIG_REQUESTS,
  ...SCSI_REQUESTS,
  ...TAPE_REQUESTS,
  ...DATA_REQUESTS,
  ...MOVER_REQUESTS,
};

export type RequestName = keyof typeof REQUESTS;
export type PostName = keyof typeof POSTS;
export type RequestBody<N extends RequestName> = Infer<(typeof REQUESTS)[N]['request']>;
export type ReplyBody<N extends RequestName> = Infer<(typeof REQUESTS)[N]['reply']>;
export type PostBody<N extends PostName> = Infer<(typeof POSTS)[N]['post']>;

/** Requests go from the DMA to the server and have one reply; its first or second word is `error`. */
export interface RequestRow<N extends RequestName = RequestName> {
  readonly kind: 'request';
  readonly code: number;
  readonly name: N;
  readonly request: Codec<RequestBody<N>>;
  readonly reply: Codec<ReplyBody<N>>;
  /** False: another version has this message, this one does not. */
  readonly isSpoken: boolean;
}

/** Posts go from the server to the DMA and are never answered. */
export interface PostRow<N extends PostName = PostName> {
  readonly kind: 'post';
  readonly code: number;
  readonly name: N;
  readonly post: Codec<PostBody<N>>;
  readonly isSpoken: boolean;
}

export const VERSION_MIN: NdmpVersion = 2;
export const VERSION_MAX: NdmpVersion = 4;

/** True for a version that this library speaks. */
export function isVersion(version: number): version is NdmpVersion {
  return version === 2 || version === 3 || version === 4;
}

/** All messages of one version, by name and by code. */
export interface MessageTable {
  readonly version: NdmpVersion;
  readonly requests: { readonly [N in RequestName]: RequestRow<N> };
  readonly posts: { readonly [N in PostName]: PostRow<N> };
  byCode(code: number): RequestRow | PostRow | undefined;
}

function requestRow(version: NdmpVersion, name: string, spec: RequestSpec<never, never>) {
  const older = { ...(version < 4 ? spec.v3 : {}), ...(version < 3 ? spec.v2 : {}) };
  const { code, request, reply, versions } = spec;
  const isSpoken = versions?.includes(version) ?? true;
  return { kind: 'request', name, code, request, reply, ...older, isSpoken };
}

function postRow(version: NdmpVersion, name: string, spec: PostSpec<never>) {
  const older = { ...(version < 4 ? spec.v3 : {}), ...(version < 3 ? spec.v2 : {}) };
  const { code, post, versions } = spec;
  const isSpoken = versions?.includes(version) ?? true;
  return { kind: 'post', name, code, post, ...older, isSpoken };
}

function buildTable(version: NdmpVersion): MessageTable {
  const byCode = new Map<number, RequestRow | PostRow>();
  const requests: Record<string, unknown> = {};
  const posts: Record<string, unknown> = {};
  const keep = (row: RequestRow | PostRow): void => {
    if (row.isSpoken) byCode.set(row.code, row);
  };
  for (const [name, spec] of Object.entries(REQUESTS)) {
    const row = requestRow(version, name, spec as unknown as RequestSpec<never, never>);
    requests[name] = row;
    keep(row as unknown as RequestRow);
  }
  for (const [name, spec] of Object.entries(POSTS)) {
    const row = postRow(version, name, spec as unknown as PostSpec<never>);
    posts[name] = row;
    keep(row as unknown as PostRow);
  }
  return {
    version,
    requests: requests as MessageTable['requests'],
    posts: posts as MessageTable['posts'],
    byCode: (code) => byCode.get(code),
  };
}

const TABLES: Readonly<Record<NdmpVersion, MessageTable>> = {
  2: buildTable(2),
  3: buildTable(3),
  4: buildTable(4),
};

export function messagesOf(version: NdmpVersion): MessageTable {
  return TABLES[version];
}
