// The five states of a key, what each permits, and the single steps between them (Security and Encryption Guide,
// "key record states"): in either direction between active and terminated, one step at a time; never back to prelive.

import type { KeyState } from './key-store.ts';

const STEPS: Readonly<Record<KeyState, readonly KeyState[]>> = {
  prelive: ['active'],
  active: ['inactive'],
  inactive: ['active', 'deprecated'],
  deprecated: ['inactive', 'terminated'],
  terminated: ['deprecated'],
};

/** A step to the state that it has already is none: callers ask for that first. */
export function mayStep(from: KeyState, to: KeyState): boolean {
  return STEPS[from].includes(to);
}

export function mayEncrypt(state: KeyState): boolean {
  return state === 'active';
}

export function mayDecrypt(state: KeyState): boolean {
  return state === 'active' || state === 'inactive';
}

export function mayDelete(state: KeyState): boolean {
  return state === 'prelive' || state === 'terminated';
}

/** The single steps by which a key that is suspected is taken out of use. Empty where it is out of use already. */
export function stepsToHold(state: KeyState): readonly KeyState[] {
  if (state === 'active') return ['inactive', 'deprecated'];
  return state === 'inactive' ? ['deprecated'] : [];
}

/** What a person may do next, for messages. */
export function nextStates(state: KeyState): string {
  return STEPS[state].join(' or ');
}
