// Negotiation of v4 extensions (SPEC4 2.5): discover, then choose once, then use. A DMA that skips it
// speaks the first version that each class offers.

import { ADDR_TYPE, NDMP_ERROR } from './constants.ts';
import { IPV6_CLASS, TEST_CLASS } from './message-class.ts';
import { blankReply } from './server-replies.ts';
import type { AnyRequest, ServerFacts, ServerState, Step } from './server-state.ts';
import { type Request, replied } from './server-steps.ts';
import type { ClassChoice } from './structures.ts';

/** The step of EXT_LIST requests and of extensions' own; undefined for every other request. */
export function extensionRequest(
  state: ServerState,
  event: AnyRequest,
  facts: ServerFacts,
): Step | undefined {
  switch (event.name) {
    case 'configGetExtList':
      return discover(state, event, facts);
    case 'configSetExtList':
      return choose(state, event, facts);
    case 'testEcho':
      return echo(state, event, facts);
    default:
      return undefined;
  }
}

function isSettled({ extensions }: ServerState): boolean {
  return extensions.selected !== undefined || extensions.isInUse;
}

function discover(state: ServerState, event: AnyRequest, facts: ServerFacts): Step {
  if (isSettled(state)) return replied(state, event, NDMP_ERROR.extensionNegotiationIllegal);
  const extensions = { ...state.extensions, isDiscovered: true };
  const classes = (facts.extensions ?? []).map(({ classId, versions }) => ({ classId, versions }));
  return replied({ ...state, extensions }, event, NDMP_ERROR.noError, { classes });
}

function choose(state: ServerState, event: Request<'configSetExtList'>, facts: ServerFacts): Step {
  const { selected } = event.body;
  const refusal = choiceError(state, selected, facts);
  if (refusal !== undefined) return replied(state, event, refusal);
  const extensions = { ...state.extensions, selected };
  return replied({ ...state, extensions }, event, NDMP_ERROR.noError);
}

function choiceError(
  state: ServerState,
  selected: readonly ClassChoice[],
  facts: ServerFacts,
): number | undefined {
  if (isSettled(state)) return NDMP_ERROR.extensionNegotiationIllegal;
  if (!state.extensions.isDiscovered) return NDMP_ERROR.precondition;
  const classes = new Set(selected.map(({ classId }) => classId));
  if (classes.size < selected.length) return NDMP_ERROR.extensionDuplicateClasses;
  for (const { classId, version } of selected) {
    const offered = facts.extensions?.find((each) => each.classId === classId);
    if (offered === undefined) return NDMP_ERROR.classNotSupported;
    if (!offered.versions.includes(version)) return NDMP_ERROR.versionNotSupported;
  }
  return undefined;
}

/** The version of a class that this session speaks, if any. */
function spokenVersion(
  { extensions }: ServerState,
  classId: number,
  facts: ServerFacts,
): number | undefined {
  const offered = facts.extensions?.find((each) => each.classId === classId);
  if (extensions.selected === undefined) return offered?.versions[0];
  return extensions.selected.find((each) => each.classId === classId)?.version;
}

function echo(state: ServerState, event: Request<'testEcho'>, facts: ServerFacts): Step {
  const version = spokenVersion(state, TEST_CLASS, facts);
  if (version === undefined) return replied(state, event, NDMP_ERROR.notSupported);
  const { message, short } = event.body;
  const blank = blankReply('testEcho', NDMP_ERROR.noError);
  const body = version === 1 ? { error: blank.error, message } : { ...blank, message, short };
  if (version !== 1 && short === undefined) return replied(state, event, NDMP_ERROR.illegalArgs);
  const extensions = { ...state.extensions, isInUse: true };
  const { name, sequence } = event;
  return {
    state: { ...state, extensions },
    effects: [{ do: 'reply', name, sequence, body }],
  };
}

function withoutIpv6({ addressTypes }: ServerFacts): number[] {
  return addressTypes.filter((type) => type !== ADDR_TYPE.tcp6);
}

/** The address types that this session may use: of IPv6 only where its extension is spoken. */
export function usableAddressTypes(state: ServerState, facts: ServerFacts): readonly number[] {
  const isSpoken = state.version === 4 && spokenVersion(state, IPV6_CLASS, facts) !== undefined;
  return isSpoken ? facts.addressTypes : withoutIpv6(facts);
}

/** Those that CONFIG_GET_CONNECTION_TYPE tells: a DMA that has not agreed on IPv6 may know no such type. */
export function listedAddressTypes(state: ServerState, facts: ServerFacts): number[] {
  const isAgreed =
    state.extensions.selected?.some(({ classId }) => classId === IPV6_CLASS) ?? false;
  return isAgreed ? [...facts.addressTypes] : withoutIpv6(facts);
}

/** A request that names an IPv6 address and is taken has used an extension, which ends negotiation. */
export function usingExtension(step: Step, event: AnyRequest): Step {
  const { extensions, owed } = step.state;
  if (owed?.sequence !== event.sequence || extensions.isInUse || !namesIpv6(event)) return step;
  return { ...step, state: { ...step.state, extensions: { ...extensions, isInUse: true } } };
}

function namesIpv6({ body }: AnyRequest): boolean {
  if ('addressType' in body) return body.addressType === ADDR_TYPE.tcp6;
  return 'address' in body && body.address.type === 'tcp6';
}
