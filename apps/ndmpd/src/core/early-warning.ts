// When a tape says that its end is near (SPC and SSC call it early warning, NDMP the logical end of medium). The write
// that crosses it succeeds; the next one is refused, once; all later ones go on to the physical end (SPEC4 3.4.5).

/** due: the next write is refused. told: it was, and writes go on. */
export type EarlyWarning = 'none' | 'due' | 'told';

export type WarningEvent =
  /** A write or a filemark went to the tape. */
  | { readonly type: 'written'; readonly pastWarning: boolean }
  /** A write was refused because of the warning. */
  | { readonly type: 'refused' }
  /** The tape moved otherwise: a write behind the warning is news again. */
  | { readonly type: 'moved' };

export function nextWarning(before: EarlyWarning, event: WarningEvent): EarlyWarning {
  if (event.type === 'moved') return 'none';
  if (event.type === 'refused') return 'told';
  if (!event.pastWarning) return 'none';
  return before === 'none' ? 'due' : before;
}
