// The chosen place in words: what is in it, what that is good for, and what can be done about it.

import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { Link } from 'wouter';
import { api, type Drive, type Element, unwrap, type Volume } from '../api.ts';
import { Mark } from '../parts/state-mark.tsx';
import { Ago } from '../parts/time.tsx';
import { countWords, sizeWords } from '../words.ts';
import { DriveDialog } from './drive-dialog.tsx';
import { DRIVES, driveWords, MEDIA, placeWords } from './media-words.ts';

export interface PlaceFactsProps {
  readonly element: Element | undefined;
  readonly drive: Drive | undefined;
  readonly robotNumber: number | null;
}

export function PlaceFacts({ element, drive, robotNumber }: PlaceFactsProps): ReactNode {
  if (element === undefined) {
    return (
      <aside className="place-facts" aria-label="Chosen place">
        <p className="dim">Choose a place to see what is in it.</p>
      </aside>
    );
  }
  const { full, mediaId, barcode, missingMediaId } = element;
  return (
    <aside className="place-facts" aria-label="Chosen place">
      <h3>{placeWords(element, drive)}</h3>
      {drive === undefined ? null : <DriveFacts drive={drive} />}
      {full && mediaId === '' ? (
        <p>
          It holds {barcode === '' ? 'a cartridge without a readable barcode' : barcode}, which is
          not on record. <code>vmupdate -rt TLD -rn {robotNumber}</code> adds it.
        </p>
      ) : null}
      {full || drive !== undefined ? null : <p className="dim">Empty.</p>}
      {missingMediaId === '' ? null : (
        <p>
          The records place {missingMediaId} here, and the robot has it nowhere.{' '}
          <code>vmupdate -rt TLD -rn {robotNumber}</code> corrects them.
        </p>
      )}
      {mediaId === '' ? null : <VolumeFacts mediaId={mediaId} />}
    </aside>
  );
}

function DriveFacts({ drive }: { readonly drive: Drive }): ReactNode {
  const [asked, setAsked] = useState(false);
  const { state, reason, jobId } = drive;
  const up = state === 'down';
  return (
    <>
      <Mark look={DRIVES[state].look} words={DRIVES[state].words} />
      {reason === '' ? null : <p>{reason}</p>}
      <dl className="facts">
        {jobId === null ? null : (
          <Fact name="Used by">
            <Link href={`/activity/${jobId}`}>job {jobId}</Link>
          </Fact>
        )}
        <Fact name="Host">{drive.ndmpHost || drive.mediaServer}</Fact>
        <Fact name="Density">{drive.density}</Fact>
        <Fact name="Last used">
          <Ago atMs={drive.lastUsedMs} />
        </Fact>
        <Fact name="Cleaned">
          <Ago atMs={drive.lastCleanedMs} />
        </Fact>
        <Fact name="Errors">{countWords(drive.errors)}</Fact>
      </dl>
      <Button variant="default" size="compact-sm" onClick={() => setAsked(true)}>
        {up ? 'Set up…' : 'Set down…'}
      </Button>
      <DriveDialog drive={drive} up={up} opened={asked} onClose={() => setAsked(false)} />
      <span className="unseen">{driveWords(drive)}</span>
    </>
  );
}

function VolumeFacts({ mediaId }: { readonly mediaId: string }): ReactNode {
  const { data } = useQuery({
    queryKey: ['volumes', 'one', mediaId],
    queryFn: () => unwrap(api.GET('/api/volumes', { params: { query: { mediaId } } })),
  });
  const volume = data?.volumes[0];
  return (
    <>
      <h4>Volume {mediaId}</h4>
      {volume === undefined ? null : <VolumeDetails volume={volume} />}
    </>
  );
}

function VolumeDetails({ volume }: { readonly volume: Volume }): ReactNode {
  const { state, mediaId, maxMounts } = volume;
  const { look, words } = MEDIA[state];
  const wayBack = WAYS_BACK[state];
  return (
    <>
      <Mark look={look} words={words} />
      <dl className="facts">
        <Fact name="Barcode">{volume.barcode || '–'}</Fact>
        <Fact name="Pool">{volume.pool}</Fact>
        <Fact name="Written">{sizeWords(volume.writtenBytes)}</Fact>
        <Fact name="Last written">
          <Ago atMs={volume.lastWrittenMs} />
        </Fact>
        <Fact name="Images">{countWords(volume.images)}</Fact>
        <Fact name="Data expires">
          <Ago atMs={volume.dataExpirationMs} />
        </Fact>
        <Fact name="Mounts">
          {countWords(volume.mounts)}
          {maxMounts === 0 ? '' : ` of ${countWords(maxMounts)}`}
        </Fact>
        <Fact name="Errors">{countWords(volume.errors)}</Fact>
        {state === 'cleaning' ? <Fact name="Cleanings left">{volume.cleanings}</Fact> : null}
        {volume.expirationMs === null ? null : (
          <Fact name="Medium expires">
            <Ago atMs={volume.expirationMs} />
          </Fact>
        )}
      </dl>
      {wayBack === undefined ? null : (
        <p className="dim">
          {wayBack.words} <code>{`${wayBack.command} ${mediaId}`}</code>
        </p>
      )}
    </>
  );
}

const WAYS_BACK: Partial<Record<Volume['state'], { words: string; command: string }>> = {
  frozen: { words: 'Not written until somebody says:', command: 'bpmedia -unfreeze -m' },
  suspended: {
    words: 'Not written until its images have expired, or somebody says:',
    command: 'bpmedia -unsuspend -m',
  },
};

function Fact({
  name,
  children,
}: {
  readonly name: string;
  readonly children: ReactNode;
}): ReactNode {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
