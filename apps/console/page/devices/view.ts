// What the address says about the page: what is looked for, and which place is chosen.

import type { MediaState } from '../api.ts';
import { MEDIA_STATES, type Wanted } from './media-words.ts';

export interface View extends Wanted {
  /** `<robot>/<address>`, or `<host>/<address>` outside of robots. */
  readonly at: string;
}

export function viewOf(params: URLSearchParams): View {
  const states = (params.get('state') ?? '').split(',');
  return {
    text: params.get('q') ?? '',
    states: MEDIA_STATES.filter((state) => states.includes(state)),
    at: params.get('at') ?? '',
  };
}

export function hrefOf({ text, states, at }: View): string {
  const params = new URLSearchParams();
  if (text !== '') params.set('q', text);
  if (states.length > 0) params.set('state', states.join(','));
  if (at !== '') params.set('at', at);
  const query = params.toString();
  return query === '' ? '/devices' : `/devices?${query}`;
}

export function toggled(states: readonly MediaState[], state: MediaState): readonly MediaState[] {
  return states.includes(state) ? states.filter((each) => each !== state) : [...states, state];
}

/** The address of a place in this group, when the view names one there. */
export function addressIn(at: string, group: string): number | null {
  const [name, address] = [at.slice(0, at.lastIndexOf('/')), at.slice(at.lastIndexOf('/') + 1)];
  return name === group && /^-?\d+$/.test(address) ? Number(address) : null;
}
