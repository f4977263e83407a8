// Each library, and the drives outside of them by their host, drawn with what is in every place.

import { type ReactNode, useMemo } from 'react';
import type { Devices, Drive, Element, Robot } from '../api.ts';
import { ProblemBox } from '../parts/notices.tsx';
import { countWords } from '../words.ts';
import { type Arm, duringMove, type Leg } from './arm.ts';
import { LibraryPicture } from './library-picture.tsx';
import { isWanted, placeWords, waitersOf } from './media-words.ts';
import { PlaceFacts } from './place-facts.tsx';
import { useLibrary } from './use-library.ts';
import { addressIn, type View } from './view.ts';

export interface LibrariesProps {
  readonly devices: Devices;
  readonly view: View;
  readonly onChoose: (at: string) => void;
}

export function Libraries({ devices, view, onChoose }: LibrariesProps): ReactNode {
  const outside = Map.groupBy(
    devices.drives.filter(({ robotNumber }) => robotNumber === null),
    ({ ndmpHost, mediaServer }) => ndmpHost || mediaServer,
  );
  return (
    <>
      {devices.robots.map((robot) => (
        <Library key={robot.number} {...{ robot, devices, view, onChoose }} />
      ))}
      {outside.size === 0 ? null : (
        <div className="outside">
          {[...outside].map(([host, drives]) => (
            <Outside key={host} {...{ host, drives, devices, view, onChoose }} />
          ))}
        </div>
      )}
    </>
  );
}

function Library({
  robot,
  devices,
  view,
  onChoose,
}: LibrariesProps & { readonly robot: Robot }): ReactNode {
  const { shape, problem, arm, last } = useLibrary(robot);
  const group = String(robot.number);
  const drives = useMemo(() => {
    const own = devices.drives.filter(({ robotNumber }) => robotNumber === robot.number);
    return new Map(
      (shape?.elements ?? []).flatMap(({ type, number, address }) => {
        const drive = own.find(({ robotDrive }) => robotDrive === number);
        return type === 'drive' && drive !== undefined ? [[address, drive] as const] : [];
      }),
    );
  }, [shape, devices.drives, robot.number]);
  const elements = useMemo(() => duringMove(shape?.elements ?? [], arm.leg), [shape, arm.leg]);
  const title = `robot-${robot.number}`;
  return (
    <section className="library-card sheet" aria-labelledby={title}>
      <header>
        <h2 id={title}>Robot {robot.number}</h2>
        <span className="dim">
          {robot.type.toUpperCase()} · {hostWords(robot)}
          {shape === undefined ? '' : ` · ${fillWords(shape.elements)}`}
        </span>
        {shape === undefined || shape.source === 'records' ? null : (
          <ArmSays {...{ arm, last, elements: shape.elements, drives }} />
        )}
      </header>
      {problem === null ? null : <ProblemBox problem={problem} />}
      {shape?.source === 'records' ? (
        <p className="notice" data-kind="warning" role="status">
          The robot does not answer: {shape.problem}. Drawn as the records have it.
        </p>
      ) : null}
      <div className="library-split">
        <LibraryPicture
          name={`Robot ${robot.number}: drives, mail slots and slots`}
          waiters={(name) => waitersOf(name, devices.waiting)}
          isWanted={(element) => isWanted(element, view)}
          arm={shape?.source === 'robot' ? arm : null}
          chosen={addressIn(view.at, group)}
          onChoose={(address) => onChoose(`${group}/${address}`)}
          {...{ elements, drives }}
        />
        <Chosen {...{ elements, drives, group, view }} robotNumber={robot.number} />
      </div>
    </section>
  );
}

function hostWords({ controlHost, ndmpHost }: Robot): string {
  return ndmpHost === '' ? controlHost : `NDMP host ${ndmpHost}, through ${controlHost}`;
}

function fillWords(elements: readonly Element[]): string {
  const slots = elements.filter(({ type }) => type === 'slot');
  const full = slots.filter((element) => element.full).length;
  return `${countWords(full)} of ${countWords(slots.length)} slots full`;
}

interface ChosenProps {
  readonly elements: readonly Element[];
  readonly drives: ReadonlyMap<number, Drive>;
  readonly group: string;
  readonly view: View;
  readonly robotNumber: number | null;
}

function Chosen({ elements, drives, group, view, robotNumber }: ChosenProps): ReactNode {
  const address = addressIn(view.at, group);
  const element = elements.find((each) => each.address === address);
  const drive = element === undefined ? undefined : drives.get(element.address);
  return <PlaceFacts key={address} {...{ element, drive, robotNumber }} />;
}

interface ArmSaysProps {
  readonly arm: Arm;
  readonly last: Leg | null;
  readonly elements: readonly Element[];
  readonly drives: ReadonlyMap<number, Drive>;
}

/** What the arm does, for eyes and ears alike. */
function ArmSays({ arm, last, elements, drives }: ArmSaysProps): ReactNode {
  const { leg } = arm;
  const hand = elements.find(({ type, full }) => type === 'arm' && full);
  return (
    <span className="arm-says" role="status" data-busy={leg !== null || undefined}>
      {leg !== null
        ? `Moves ${wayOf(leg, elements, drives)}`
        : hand !== undefined
          ? `Holds ${hand.mediaId || hand.barcode || 'a cartridge'} in its hand`
          : last?.outcome === 'failed'
            ? `Could not move ${wayOf(last, elements, drives)}`
            : 'The arm rests'}
    </span>
  );
}

function wayOf(
  { from, to, cartridge }: Leg,
  elements: readonly Element[],
  drives: ReadonlyMap<number, Drive>,
): string {
  const placeOf = (address: number): string => {
    const element = elements.find((each) => each.address === address);
    if (element === undefined) return 'a place';
    const words = placeWords(element, drives.get(address));
    return words[0]!.toLowerCase() + words.slice(1);
  };
  const what = cartridge?.mediaId || cartridge?.barcode || 'a cartridge';
  return `${what} from ${placeOf(from)} to ${placeOf(to)}`;
}

interface OutsideProps extends LibrariesProps {
  readonly host: string;
  readonly drives: readonly Drive[];
}

/** Drives that no robot serves. */
function Outside({ host, drives, devices, view, onChoose }: OutsideProps): ReactNode {
  const elements = useMemo(() => drives.map(elementOf), [drives]);
  const byAddress = useMemo(
    () => new Map(drives.map((drive, index) => [addressOf(index), drive])),
    [drives],
  );
  const onNdmp = drives.some(({ ndmpHost }) => ndmpHost === host);
  const address = devices.ndmpHosts.find(({ name }) => name === host)?.address ?? '';
  return (
    <section className="library-card sheet" aria-labelledby={`outside-${host}`}>
      <header>
        <h2 id={`outside-${host}`}>{onNdmp ? `NDMP host ${host}` : host}</h2>
        <span className="dim">
          {address === '' || address === host ? '' : `${address} · `}standalone drives
        </span>
      </header>
      <div className="library-split">
        <LibraryPicture
          name={`Standalone drives of ${host}`}
          drives={byAddress}
          waiters={(name) => waitersOf(name, devices.waiting)}
          isWanted={() => null}
          arm={null}
          chosen={addressIn(view.at, host)}
          onChoose={(chosen) => onChoose(`${host}/${chosen}`)}
          elements={elements}
        />
        {addressIn(view.at, host) === null ? null : (
          <Chosen {...{ elements, group: host, view, drives: byAddress }} robotNumber={null} />
        )}
      </div>
    </section>
  );
}

/** No robot gives them an address: they get one that no robot has. */
function addressOf(index: number): number {
  return -1 - index;
}

function elementOf(_drive: Drive, index: number): Element {
  return {
    ...{ address: addressOf(index), type: 'drive', number: index + 1, full: false, barcode: '' },
    ...{ mediaId: '', state: null, pool: '', missingMediaId: '' },
  };
}
