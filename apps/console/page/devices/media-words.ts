// What states of volumes and drives are called and how they look, everywhere alike: never by colour alone.

import type { Drive, Element, MediaState, Waiting } from '../api.ts';
import type { Look } from '../job-words.ts';

interface Shown {
  readonly words: string;
  readonly look: Look;
}

export const MEDIA: Readonly<Record<MediaState, Shown>> = {
  active: { words: 'Active', look: 'active' },
  full: { words: 'Full', look: 'full' },
  scratch: { words: 'Scratch', look: 'scratch' },
  available: { words: 'Available', look: 'queued' },
  suspended: { words: 'Suspended', look: 'halted' },
  frozen: { words: 'Frozen', look: 'frozen' },
  expired: { words: 'Expired', look: 'expired' },
  cleaning: { words: 'Cleaning', look: 'cleaning' },
};

export const MEDIA_STATES = Object.keys(MEDIA) as readonly MediaState[];

export const DRIVES: Readonly<Record<Drive['state'], Shown>> = {
  idle: { words: 'Idle', look: 'queued' },
  inUse: { words: 'In use', look: 'moving' },
  mounting: { words: 'Mounting', look: 'preparing' },
  cleaning: { words: 'Cleaning', look: 'cleaning' },
  unknown: { words: 'Unknown', look: 'unknown' },
  down: { words: 'Down', look: 'failed' },
};

const PLACES: Readonly<Record<Element['type'], string>> = {
  ...{ slot: 'Slot', drive: 'Drive', mail: 'Mail slot', arm: 'Arm' },
};

/** Slot 5; a drive by its name where that is known. */
export function placeWords({ type, number }: Element, drive: Drive | undefined): string {
  return drive === undefined ? `${PLACES[type]} ${number}` : `Drive ${drive.name}`;
}

export function contentWords({ full, mediaId, barcode, state, missingMediaId }: Element): string {
  if (!full) return missingMediaId === '' ? 'empty' : `empty, ${missingMediaId} is missing`;
  if (mediaId === '') return `${barcode || 'no barcode'}, not on record`;
  return `${mediaId}, ${state === null ? '' : MEDIA[state].words.toLowerCase()}`;
}

/** Idle, In use by job 7, Down. */
export function driveWords({ state, jobId }: Drive): string {
  const { words } = DRIVES[state];
  if (jobId === null) return words;
  return state === 'inUse' ? `Job ${jobId}` : `${words}, job ${jobId}`;
}

/** How many requests name a drive among the reasons for their waiting. */
export function waitersOf(name: string, waiting: readonly Waiting[]): number {
  const names = (reason: string): boolean => reason.split(/[\s,;:()]+/).includes(name);
  return waiting.filter(({ reasons }) => reasons.some(names)).length;
}

export interface Wanted {
  readonly text: string;
  readonly states: readonly MediaState[];
}

/** Whether a place holds what is looked for; null when nothing is. */
export function isWanted(element: Element, { text, states }: Wanted): boolean | null {
  if (text === '' && states.length === 0) return null;
  const { full, mediaId, barcode, state } = element;
  if (!full) return false;
  if (states.length > 0 && (state === null || !states.includes(state))) return false;
  const part = text.toUpperCase();
  return mediaId.toUpperCase().includes(part) || barcode.toUpperCase().includes(part);
}
