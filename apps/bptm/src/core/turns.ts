// Which of the streams that share a drive write how many blocks next.

/** One block each in turn, until `most` are given out or nobody has more: how many each gets. */
export function takeTurns(waiting: readonly number[], most: number): number[] {
  const taken = waiting.map(() => 0);
  let left = most;
  for (let gave = true; gave && left > 0; ) {
    gave = false;
    for (let i = 0; i < waiting.length && left > 0; i += 1) {
      if (taken[i]! >= waiting[i]!) continue;
      taken[i]! += 1;
      left -= 1;
      gave = true;
    }
  }
  return taken;
}
