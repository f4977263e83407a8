// A library drawn: what stands in which place, and the arm that moves over it. One list for keys and screen readers: the
// arrows go from place to place, and each place says what is in it.

import {
  type KeyboardEvent,
  memo,
  type ReactNode,
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
} from 'react';
import type { Drive, Element } from '../api.ts';
import { Shape } from '../parts/state-mark.tsx';
import type { Arm } from './arm.ts';
import { DriveBox } from './drive-box.tsx';
import { contentWords, driveWords, MEDIA, placeWords } from './media-words.ts';
import {
  type Direction,
  dockOf,
  type Grain,
  layOut,
  neighbour,
  type Picture,
  type Place,
} from './picture.ts';

export interface PictureProps {
  /** What it is, for those who do not see it. */
  readonly name: string;
  readonly elements: readonly Element[];
  /** By address. */
  readonly drives: ReadonlyMap<number, Drive>;
  readonly waiters: (drive: string) => number;
  readonly arm: Arm | null;
  readonly isWanted: (element: Element) => boolean | null;
  readonly chosen: number | null;
  readonly onChoose: (address: number) => void;
}

const KEYS: Readonly<Record<string, Direction>> = {
  ...{ ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down' },
  ...{ Home: 'first', End: 'last' },
};

export function LibraryPicture(props: PictureProps): ReactNode {
  const { name, elements, drives, arm, chosen, onChoose, isWanted } = props;
  const [box, width] = useWidth();
  const id = useId();
  const picture = useMemo(() => layOut(elements, width), [elements, width]);
  const { places, labels, height } = picture;
  const onKeyDown = (event: KeyboardEvent): void => {
    const direction = KEYS[event.key];
    if (direction === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    onChoose(neighbour(places, chosen ?? Number.NaN, direction));
  };
  const active = places.some(({ element }) => element.address === chosen);
  useEffect(() => {
    if (chosen === null || document.activeElement !== box.current) return;
    document.getElementById(`${id}-${chosen}`)?.scrollIntoView({ block: 'nearest' });
  }, [chosen, id, box]);
  return (
    <div
      ref={box}
      className="library-box"
      role="listbox"
      tabIndex={0}
      aria-label={name}
      aria-activedescendant={active ? `${id}-${chosen}` : undefined}
      onKeyDown={onKeyDown}
      onFocus={(event) => {
        const first = places[0]?.element.address;
        const own = event.target === event.currentTarget;
        if (own && !active && first !== undefined) onChoose(first);
      }}
    >
      {width === 0 ? null : (
        <svg
          className="library"
          data-grain={picture.grain}
          width={picture.width}
          height={height}
          viewBox={`0 0 ${picture.width} ${height}`}
          role="presentation"
        >
          {labels.map(({ text, x, y }) => (
            <text key={`${text} ${y}`} className="library-label" x={x} y={y} aria-hidden>
              {text}
            </text>
          ))}
          {places.map((place) => {
            const { address } = place.element;
            const drive = drives.get(address);
            return (
              <PlaceMark
                key={address}
                id={`${id}-${address}`}
                place={place}
                grain={picture.grain}
                drive={drive}
                waiters={drive === undefined ? 0 : props.waiters(drive.name)}
                wanted={isWanted(place.element)}
                chosen={address === chosen}
                onChoose={onChoose}
              />
            );
          })}
          {arm === null ? null : <ArmMark arm={arm} picture={picture} />}
        </svg>
      )}
    </div>
  );
}

function useWidth(): [React.RefObject<HTMLDivElement | null>, number] {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (box.current === null) return;
    const watcher = new ResizeObserver(([entry]) => setWidth(entry?.contentRect.width ?? 0));
    watcher.observe(box.current);
    return () => watcher.disconnect();
  }, []);
  return [box, Math.floor(width)];
}

interface PlaceMarkProps {
  readonly id: string;
  readonly place: Place;
  readonly grain: Grain;
  readonly drive: Drive | undefined;
  readonly waiters: number;
  readonly wanted: boolean | null;
  readonly chosen: boolean;
  readonly onChoose: (address: number) => void;
}

/** A slot, mail slot or drive with what is in it. */
const PlaceMark = memo(function PlaceMark(props: PlaceMarkProps): ReactNode {
  const { id, place, grain, drive, chosen, wanted, onChoose } = props;
  const { element, x, y, width, height } = place;
  const words = `${placeWords(element, drive)}: ${contentWords(element)}`;
  const name = drive === undefined ? words : `${words}, ${driveWords(drive)}`;
  return (
    <g
      id={id}
      className="place-mark"
      role="option"
      aria-selected={chosen}
      aria-label={name}
      tabIndex={-1}
      data-wanted={wanted ?? undefined}
      transform={`translate(${x} ${y})`}
      onClick={(event) => {
        event.currentTarget.closest<HTMLElement>('[role=listbox]')?.focus({ preventScroll: true });
        onChoose(element.address);
      }}
    >
      <title>{name}</title>
      {element.type === 'drive' ? (
        <DriveBox {...{ element, drive, width, height }} waiters={props.waiters} />
      ) : (
        <Slot {...{ element, width, height, grain }} />
      )}
      {chosen ? (
        <rect
          className="library-chosen"
          x={-2}
          y={-2}
          width={width + 4}
          height={height + 4}
          rx={5}
        />
      ) : null}
    </g>
  );
});

interface SlotProps {
  readonly element: Element;
  readonly width: number;
  readonly height: number;
  readonly grain: Grain;
}

function Slot({ element, width, height, grain }: SlotProps): ReactNode {
  const { full, number, missingMediaId } = element;
  const round = grain === 'marks' ? 2 : 4;
  if (full) return <Cartridge {...{ element, width, height, grain }} />;
  return (
    <>
      <rect
        className="library-slot"
        data-missing={missingMediaId !== '' || undefined}
        {...{ width, height }}
        rx={round}
      />
      {grain === 'marks' ? null : (
        <text className="library-number" x={width / 2} y={height / 2 + 4}>
          {number}
        </text>
      )}
    </>
  );
}

/** A volume, by the colour, shape and name of what it is. */
export function Cartridge({ element, width, height, grain }: SlotProps): ReactNode {
  const { state, mediaId, barcode } = element;
  const look = state === null ? 'unknown' : MEDIA[state].look;
  const marks = grain === 'marks';
  const scale = marks ? 0.72 : grain === 'small' ? 0.8 : 1;
  const shapeX = marks ? (width - 14 * scale) / 2 : grain === 'small' ? 4 : 8;
  return (
    <g className="cartridge" data-look={look}>
      <rect {...{ width, height }} rx={marks ? 2 : 4} />
      <g transform={`translate(${shapeX} ${(height - 14 * scale) / 2}) scale(${scale})`}>
        <Shape look={look} />
      </g>
      {marks ? null : (
        <text x={shapeX + 14 * scale + (grain === 'small' ? 3 : 6)} y={height / 2 + 4}>
          {(mediaId || barcode || 'no code').slice(0, grain === 'small' ? 6 : 8)}
        </text>
      )}
    </g>
  );
}

const GRIPPER = { width: 94, height: 30 };

/** The rail, the carriage on it, and what hangs from it. Eyes only: the words beside the picture say the same. */
function ArmMark({ arm, picture }: { readonly arm: Arm; readonly picture: Picture }): ReactNode {
  const { railY, width, places } = picture;
  if (railY === null) return null;
  const { leg, restsAt } = arm;
  const goal = leg === null ? null : leg.stage === 'fetch' ? leg.from : leg.to;
  const place = places.find(({ element }) => element.address === (goal ?? restsAt));
  const [x, at] = place === undefined ? [28, railY] : dockOf(place);
  const y = goal === null ? railY : at;
  const cartridge = leg?.stage === 'carry' ? leg.cartridge : null;
  return (
    <g className="arm" data-busy={leg !== null || undefined} aria-hidden>
      <line className="arm-rail" x1={4} x2={width - 4} y1={railY} y2={railY} />
      <g className="arm-part" style={{ transform: `translate(${x}px, 0)` }}>
        <rect className="arm-carriage" x={-14} y={railY - 6} width={28} height={12} rx={3} />
      </g>
      <g
        className="arm-part"
        style={{ transform: `translate(${x}px, ${railY}px) scale(1, ${y - railY || 0.001})` }}
      >
        <rect className="arm-mast" x={-1.5} y={0} width={3} height={1} />
      </g>
      <g className="arm-part" style={{ transform: `translate(${x}px, ${y}px)` }}>
        {leg === null ? null : (
          <g transform={`translate(${-GRIPPER.width / 2} ${-GRIPPER.height / 2})`}>
            {cartridge === null ? null : (
              <Cartridge element={cartridge} {...GRIPPER} grain="wide" />
            )}
            <rect className="arm-gripper" x={-3} y={-3} width={100} height={36} rx={6} />
          </g>
        )}
      </g>
    </g>
  );
}
