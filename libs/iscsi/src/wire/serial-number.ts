// Serial numbers of 32 bits (RFC 1982), as CmdSN, StatSN and their like are compared.

/** Negative when `a` comes before `b`. */
export function serialDifference(a: number, b: number): number {
  return (a - b) | 0;
}

export function serialNext(a: number): number {
  return (a + 1) >>> 0;
}
