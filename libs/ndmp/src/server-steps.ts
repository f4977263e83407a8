// The few steps that every service's machine is made of: accept, refuse, owe.

import type { RequestName } from './messages.ts';
import { replyWith } from './server-replies.ts';
import type { Dialect } from './server-rules.ts';
import type { AnyRequest, Effect, Owed, ServerFacts, ServerState, Step } from './server-state.ts';

export function dialectOf(state: ServerState, facts: ServerFacts): Dialect {
  return { version: state.version, isStrict: facts.isStrict ?? false };
}

export type Request<N extends RequestName> = Extract<AnyRequest, { name: N }>;

/** A reply at once; `fields` are what it says beside its error word. */
export function replied(
  state: ServerState,
  event: { name: RequestName; sequence: number },
  error: number,
  fields?: Record<string, unknown>,
): Step {
  return { state, effects: [replyWith(event.name, event.sequence, error, fields)] };
}

/** The reply waits for the outcome of this effect. */
export function owing(
  state: ServerState,
  event: { name: RequestName; sequence: number },
  effect: Effect,
  body?: Record<string, unknown>,
): Step {
  const { name, sequence } = event;
  const owed: Owed = body === undefined ? { name, sequence } : { name, sequence, body };
  return { state: { ...state, owed }, effects: [effect] };
}

/** The owed reply, if there is one. */
export function settled(state: ServerState, error: number, fields?: Record<string, unknown>): Step {
  if (state.owed === undefined) return { state, effects: [] };
  const { name, sequence } = state.owed;
  return {
    state: { ...state, owed: undefined },
    effects: [replyWith(name, sequence, error, fields)],
  };
}

/** Steps one after the other: the effects of both, the state of the last. */
export function followedBy(first: Step, next: (state: ServerState) => Step): Step {
  const second = next(first.state);
  return { state: second.state, effects: [...first.effects, ...second.effects] };
}

export function unchanged(state: ServerState): Step {
  return { state, effects: [] };
}
