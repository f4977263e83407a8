// Every volume, a page at a time: the database finds, the page shows.

import { Button } from '@mantine/core';
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { api, unwrap, type Volume, type VolumePage } from '../api.ts';
import { ProblemBox } from '../parts/notices.tsx';
import { Mark } from '../parts/state-mark.tsx';
import { Ago } from '../parts/time.tsx';
import { countWords, sizeWords } from '../words.ts';
import { MEDIA, type Wanted } from './media-words.ts';

const PAGE_ROWS = 100;

export interface FoundVolumes {
  readonly volumes: readonly Volume[] | undefined;
  readonly counts: VolumePage['counts'] | undefined;
  readonly problem: Error | null;
  readonly more: boolean;
  readonly loading: boolean;
  readonly loadMore: () => void;
}

export function useVolumes({ text, states }: Wanted): FoundVolumes {
  const query = useInfiniteQuery({
    queryKey: ['volumes', 'found', text, states],
    queryFn: ({ pageParam }) =>
      unwrap(
        api.GET('/api/volumes', {
          params: {
            query: {
              limit: PAGE_ROWS,
              ...(text === '' ? {} : { text }),
              ...(states.length === 0 ? {} : { state: [...states] }),
              ...(pageParam === '' ? {} : { after: pageParam }),
            },
          },
        }),
      ),
    initialPageParam: '',
    getNextPageParam: ({ next }) => next,
    placeholderData: keepPreviousData,
  });
  return {
    volumes: query.data?.pages.flatMap(({ volumes }) => volumes),
    counts: query.data?.pages[0]?.counts,
    problem: query.error,
    more: query.hasNextPage,
    loading: query.isFetchingNextPage,
    loadMore: () => void query.fetchNextPage(),
  };
}

export interface VolumeTableProps {
  readonly found: FoundVolumes;
  readonly wanted: Wanted;
  /** Shows where a volume is. */
  readonly onFind: (volume: Volume) => void;
}

export function VolumeTable({ found, wanted, onFind }: VolumeTableProps): ReactNode {
  const { volumes, counts, problem } = found;
  const total = (Object.keys(counts ?? {}) as (keyof VolumePage['counts'])[])
    .filter((state) => wanted.states.length === 0 || wanted.states.includes(state))
    .reduce((sum, state) => sum + (counts?.[state] ?? 0), 0);
  return (
    <section aria-labelledby="volumes">
      <h2 id="volumes">Volumes</h2>
      {problem === null ? null : <ProblemBox problem={problem} />}
      {volumes === undefined ? null : volumes.length === 0 ? (
        <None wanted={wanted} />
      ) : (
        <>
          <div className="sheet">
            <Rows volumes={volumes} onFind={onFind} />
          </div>
          <p className="dim volumes-end" role="status">
            {countWords(volumes.length)} of {countWords(total)} volumes
            {found.more ? (
              <Button
                variant="default"
                size="compact-sm"
                loading={found.loading}
                onClick={found.loadMore}
              >
                Show {PAGE_ROWS} more
              </Button>
            ) : null}
          </p>
        </>
      )}
    </section>
  );
}

function None({ wanted: { text, states } }: { readonly wanted: Wanted }): ReactNode {
  if (text !== '' || states.length > 0) return <p className="dim">No volume is like that.</p>;
  return (
    <p className="dim">
      No volume is known. <code>vmupdate</code> reads a robot and adds what is in it.
    </p>
  );
}

function Rows({
  volumes,
  onFind,
}: {
  readonly volumes: readonly Volume[];
  readonly onFind: (volume: Volume) => void;
}): ReactNode {
  return (
    <table className="plain volumes" aria-labelledby="volumes">
      <thead>
        <tr>
          <th scope="col">Volume</th>
          <th scope="col">State</th>
          <th scope="col">Pool</th>
          <th scope="col">Where</th>
          <th scope="col" className="number">
            Written
          </th>
          <th scope="col" className="number">
            Images
          </th>
          <th scope="col" className="number">
            Mounts
          </th>
          <th scope="col" className="number">
            Last written
          </th>
          <th scope="col" className="number">
            Data expires
          </th>
        </tr>
      </thead>
      <tbody>
        {volumes.map((volume) => (
          <tr key={volume.mediaId}>
            <th scope="row">{volume.mediaId}</th>
            <td>
              <Mark look={MEDIA[volume.state].look} words={MEDIA[volume.state].words} />
            </td>
            <td>{volume.pool}</td>
            <td>
              <Where volume={volume} onFind={onFind} />
            </td>
            <td className="number">{sizeWords(volume.writtenBytes)}</td>
            <td className="number">{countWords(volume.images)}</td>
            <td className="number">{countWords(volume.mounts)}</td>
            <td className="number">
              <Ago atMs={volume.lastWrittenMs} />
            </td>
            <td className="number">
              <Ago atMs={volume.dataExpirationMs} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Where({
  volume,
  onFind,
}: {
  readonly volume: Volume;
  readonly onFind: (volume: Volume) => void;
}): ReactNode {
  const { mediaId, robotNumber, slot, mountedDrive } = volume;
  if (robotNumber === null) return <span className="dim">not in a robot</span>;
  return (
    <button
      type="button"
      className="link-button"
      aria-label={`Show ${mediaId} in robot ${robotNumber}`}
      onClick={() => onFind(volume)}
    >
      {mountedDrive === '' ? `robot ${robotNumber}, slot ${slot}` : mountedDrive}
    </button>
  );
}
