// How long to wait before the next try of an effect. Pure: the random part is given.

export interface Backoff {
  firstMs: number;
  capMs: number;
}

/**
 * The wait after `tries` failed tries (1 = the first failed): doubles each time up to the cap, then moved
 * by up to a quarter either way, so that many effects to one neighbour do not come back together.
 * @param random in [0, 1)
 */
export function backoffMs(backoff: Backoff, tries: number, random: number): number {
  const doubled = backoff.firstMs * 2 ** Math.min(tries - 1, 40);
  return Math.round(Math.min(doubled, backoff.capMs) * (0.75 + random / 2));
}
