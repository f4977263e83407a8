// A drive in the picture: its name and state, what is in it, who uses it and who waits for it.

import type { ReactNode } from 'react';
import type { Drive, Element } from '../api.ts';
import { Shape } from '../parts/state-mark.tsx';
import { DRIVES, driveWords, MEDIA } from './media-words.ts';

export interface DriveBoxProps {
  readonly element: Element;
  /** Missing for a drive of the robot that is not configured. */
  readonly drive: Drive | undefined;
  readonly waiters: number;
  readonly width: number;
  readonly height: number;
}

/** About so many signs fit a line. */
const SIGN_WIDTH = 7;

export function DriveBox({ element, drive, waiters, width, height }: DriveBoxProps): ReactNode {
  const look = drive === undefined ? 'incomplete' : DRIVES[drive.state].look;
  const name = drive?.name ?? `Drive ${element.number}`;
  const state = drive === undefined ? 'Not configured' : driveWords(drive);
  return (
    <g className="drive-box" data-state={drive?.state ?? 'none'}>
      <rect {...{ width, height }} rx={7} />
      <text className="drive-name" x={11} y={19}>
        {cut(name, width - (waiters > 0 ? 84 : 22))}
      </text>
      {waiters === 0 ? null : (
        <text className="drive-waiters" x={width - 10} y={19}>
          {waiters} waiting
        </text>
      )}
      <g transform="translate(11 25)">
        <Shape look={look} />
      </g>
      <text className="drive-state" x={31} y={37}>
        {cut(state, width - 42)}
      </text>
      <Loaded element={element} drive={drive} />
    </g>
  );
}

function Loaded({ element, drive }: Pick<DriveBoxProps, 'element' | 'drive'>): ReactNode {
  const { full, mediaId, barcode, state } = element;
  if (!full) {
    // A drive that no robot loads is only known to hold what its host says.
    const known = drive?.mediaId ?? '';
    return (
      <text className="drive-empty" x={31} y={56}>
        {known === '' || element.address > 0 ? 'Empty' : known}
      </text>
    );
  }
  const look = state === null ? 'unknown' : MEDIA[state].look;
  return (
    <g className="cartridge" data-look={look} transform="translate(7 44)">
      <rect width={98} height={17} rx={3} />
      <g transform="translate(5 2) scale(.93)">
        <Shape look={look} />
      </g>
      <text x={24} y={13}>
        {mediaId || barcode || 'no code'}
      </text>
    </g>
  );
}

function cut(text: string, width: number): string {
  const signs = Math.floor(width / SIGN_WIDTH);
  return text.length <= signs ? text : `${text.slice(0, signs - 1)}…`;
}
