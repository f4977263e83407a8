// Names a process for good: a pid alone may be another's tomorrow.

export interface ProcessMark {
  readonly pid: number;
  /** Start time in clock ticks since boot, as the kernel spells it. */
  readonly startTicks: string;
}

/** The start time in the text of /proc/<pid>/stat. The name in it may hold spaces and brackets. */
export function startTicksOf(statText: string): string | null {
  const afterName = statText.slice(statText.lastIndexOf(')') + 2).split(' ');
  // State is field 3 of the line and the first here; the start time is field 22.
  return afterName[19] ?? null;
}
