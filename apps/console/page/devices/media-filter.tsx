// One search for the drawings and the list of volumes, and the states of volumes with how many there are of each.

import { Kbd, TextInput } from '@mantine/core';
import { type ReactNode, type RefObject, useEffect, useState } from 'react';
import type { VolumePage } from '../api.ts';
import { SearchIcon } from '../parts/icons.tsx';
import { Shape } from '../parts/state-mark.tsx';
import { countWords } from '../words.ts';
import { MEDIA, MEDIA_STATES } from './media-words.ts';
import { toggled, type View } from './view.ts';

const TYPING_PAUSE_MS = 250;

export interface MediaFilterProps {
  readonly view: View;
  readonly counts: VolumePage['counts'] | undefined;
  readonly onChange: (view: View) => void;
  readonly searchRef: RefObject<HTMLInputElement | null>;
}

export function MediaFilter({ view, counts, onChange, searchRef }: MediaFilterProps): ReactNode {
  const total = Object.values(counts ?? {}).reduce((sum, count) => sum + count, 0);
  return (
    <search className="filters media-filter">
      <SearchBox {...{ view, onChange, searchRef }} />
      <fieldset className="chips" aria-label="States of volumes">
        <button
          type="button"
          className="chip"
          aria-pressed={view.states.length === 0}
          onClick={() => onChange({ ...view, states: [] })}
        >
          All <span className="count">{counts === undefined ? '' : countWords(total)}</span>
        </button>
        {MEDIA_STATES.filter(
          (state) => (counts?.[state] ?? 0) > 0 || view.states.includes(state),
        ).map((state) => (
          <button
            key={state}
            type="button"
            className="chip"
            aria-pressed={view.states.includes(state)}
            onClick={() => onChange({ ...view, states: toggled(view.states, state) })}
          >
            <Shape look={MEDIA[state].look} />
            {MEDIA[state].words} <span className="count">{countWords(counts?.[state] ?? 0)}</span>
          </button>
        ))}
      </fieldset>
    </search>
  );
}

function SearchBox({
  view,
  onChange,
  searchRef,
}: Pick<MediaFilterProps, 'view' | 'onChange' | 'searchRef'>): ReactNode {
  const [text, setText] = useState(view.text);
  useEffect(() => setText(view.text), [view.text]);
  useEffect(() => {
    if (text === view.text) return;
    const timer = setTimeout(() => onChange({ ...view, text }), TYPING_PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text, view, onChange]);
  return (
    <TextInput
      className="search"
      size="xs"
      ref={searchRef}
      type="search"
      aria-label="Find volumes"
      placeholder="Volume or barcode"
      leftSection={<SearchIcon />}
      rightSection={text === '' ? <Kbd size="xs">/</Kbd> : null}
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' && event.key !== 'Enter') return;
        event.preventDefault();
        if (event.key === 'Escape') setText('');
        event.currentTarget.blur();
      }}
    />
  );
}
