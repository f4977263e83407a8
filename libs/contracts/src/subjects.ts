// Subjects are derived here and typed by hand nowhere. The caller's token is the last one, and the bus lets each
// user publish only under its own: identity is read from the subject alone.

import { EVENTS, SERVICES, type Services } from '../gen/services.ts';

export type ServiceName = keyof Services;
export type EventName = keyof typeof EVENTS;

/** Who connects: a service, and its host for those that run one a media server. */
export interface Identity {
  readonly service: string;
  readonly host?: string;
}

const TOKEN = /^[a-z0-9]+(-[a-z0-9]+)*$/;

/** A host id as a token: lower case, dots and other signs become dashes. */
export function hostToken(name: string): string {
  const token = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  if (!TOKEN.test(token)) throw new RangeError(`no host id can be made of '${name}'`);
  return token;
}

/** The one token that names a caller: `nbjm`, or `bptm-media1`. No service has a dash in its name. */
export function callerToken(identity: Identity): string {
  const token =
    identity.host === undefined ? identity.service : `${identity.service}-${identity.host}`;
  if (!TOKEN.test(token)) throw new RangeError(`'${token}' cannot be part of a subject`);
  return token;
}

export function parseCaller(token: string): Identity {
  const dash = token.indexOf('-');
  return dash < 0
    ? { service: token }
    : { service: token.slice(0, dash), host: token.slice(dash + 1) };
}

/** `target` is a host id for services of media servers, `any` for the others. */
export function requestSubject(
  service: ServiceName,
  target: string,
  method: string,
  caller: string,
): string {
  return `tapestry.${service}.${target}.${method}.${caller}`;
}

/** What a service subscribes to: every method, from every caller that the bus lets through. */
export function serveSubject(service: ServiceName, target: string): string {
  return `tapestry.${service}.${target}.*.*`;
}

export function parseRequestSubject(subject: string): { method: string; caller: string } {
  const [, , , method = '', caller = ''] = subject.split('.');
  return { method, caller };
}

/** Where an event goes; `*` as publisher hears all of them. */
export function eventSubject(event: EventName, publisher: string): string {
  return EVENTS[event].stream === ''
    ? `tapestry.live.${event}.${publisher}`
    : `tapestry.event.${event}.${publisher}`;
}

/** The durable consumer of one service for one event. */
export function durableName(service: string, event: EventName): string {
  return `${service}-${event}`;
}

export function inboxPrefix(caller: string): string {
  return `_INBOX_${caller}`;
}

export function targetOf(service: ServiceName, host: string | undefined): string {
  if (!SERVICES[service].perHost) return 'any';
  if (host === undefined) throw new RangeError(`${service} runs once a host: name the host`);
  return host;
}
