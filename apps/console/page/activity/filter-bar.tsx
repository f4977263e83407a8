// Search, states with their counts, and how far back.

import { Kbd, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, type RefObject, useEffect, useState } from 'react';
import { api, unwrap } from '../api.ts';
import { SearchIcon } from '../parts/icons.tsx';
import { Shape } from '../parts/state-mark.tsx';
import { countWords } from '../words.ts';
import { OUTCOMES, type OutcomeName } from './outcomes.ts';
import type { Since, View } from './view.ts';

const TYPING_PAUSE_MS = 250;

export interface FilterBarProps {
  readonly view: View;
  readonly onChange: (view: View) => void;
  readonly searchRef: RefObject<HTMLInputElement | null>;
}

export function FilterBar({ view, onChange, searchRef }: FilterBarProps): ReactNode {
  return (
    <search className="filters">
      <SearchBox view={view} onChange={onChange} searchRef={searchRef} />
      <label className="since">
        <span className="dim">Submitted</span>
        <select
          value={view.since}
          onChange={(event) => onChange({ ...view, since: event.currentTarget.value as Since })}
        >
          <option value="all">at any time</option>
          <option value="24h">in the last day</option>
          <option value="7d">in the last week</option>
          <option value="30d">in the last 30 days</option>
        </select>
      </label>
      <OutcomeChips view={view} onChange={onChange} />
    </search>
  );
}

function SearchBox({ view, onChange, searchRef }: FilterBarProps): ReactNode {
  const [text, setText] = useState(view.search);
  useEffect(() => setText(view.search), [view.search]);
  useEffect(() => {
    if (text === view.search) return;
    const timer = setTimeout(() => onChange({ ...view, search: text }), TYPING_PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text, view, onChange]);
  return (
    <TextInput
      className="search"
      size="xs"
      ref={searchRef}
      type="search"
      aria-label="Search the jobs"
      placeholder="Search the jobs"
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

function OutcomeChips({ view, onChange }: Pick<FilterBarProps, 'view' | 'onChange'>): ReactNode {
  const { data } = useQuery({
    queryKey: ['overview'],
    queryFn: () => unwrap(api.GET('/api/overview')),
    refetchInterval: 60_000,
  });
  const counts = data?.counts;
  const toggle = (name: OutcomeName): void => {
    const outcomes = view.outcomes.includes(name)
      ? view.outcomes.filter((other) => other !== name)
      : [...view.outcomes, name];
    onChange({ ...view, outcomes });
  };
  return (
    <fieldset className="chips" aria-label="States">
      <button
        type="button"
        className="chip"
        aria-pressed={view.outcomes.length === 0}
        onClick={() => onChange({ ...view, outcomes: [] })}
      >
        All <Count value={counts?.total} />
      </button>
      {OUTCOMES.filter(
        ({ name, always }) => always || (counts?.[name] ?? 0) > 0 || view.outcomes.includes(name),
      ).map(({ name, words, look }) => (
        <button
          key={name}
          type="button"
          className="chip"
          aria-pressed={view.outcomes.includes(name)}
          onClick={() => toggle(name)}
        >
          <Shape look={look} />
          {words} <Count value={counts?.[name]} />
        </button>
      ))}
    </fieldset>
  );
}

function Count({ value }: { readonly value: number | undefined }): ReactNode {
  return <span className="count">{value === undefined ? '' : countWords(value)}</span>;
}
