// How a message is written down in the catalogue: its number and the codecs of its bodies, with what
// differs in older versions beside it. A body has one shape in every version; only its bytes differ,
// so nothing above the catalogue asks for the version.

import type { Codec } from './codec.ts';

export type NdmpVersion = 2 | 3 | 4;

interface Bodies<Q, R> {
  request: Codec<Q>;
  reply: Codec<R>;
}

export interface RequestSpec<Q, R> extends Bodies<Q, R> {
  code: number;
  /** The versions that have this message; all of them when missing. */
  versions?: readonly NdmpVersion[];
  /** What differs in v3, and in v2 where `v2` says nothing else. */
  v3?: Partial<Bodies<NoInfer<Q>, NoInfer<R>>>;
  v2?: Partial<Bodies<NoInfer<Q>, NoInfer<R>>>;
}

export interface PostSpec<P> {
  code: number;
  post: Codec<P>;
  versions?: readonly NdmpVersion[];
  v3?: { post: Codec<NoInfer<P>> };
  /** v2 has other numbers for posts that were redone in v3. */
  v2?: { code?: number; post: Codec<NoInfer<P>> };
}

/** A row of the catalogue; a function only so that the types of the bodies are inferred. */
export function request<Q, R>(spec: RequestSpec<Q, R>): RequestSpec<Q, R> {
  return spec;
}

export function post<P>(spec: PostSpec<P>): PostSpec<P> {
  return spec;
}

export const SINCE_V3: readonly NdmpVersion[] = [3, 4];
export const ONLY_V4: readonly NdmpVersion[] = [4];
export const ONLY_V2: readonly NdmpVersion[] = [2];
export const UNTIL_V3: readonly NdmpVersion[] = [2, 3];
