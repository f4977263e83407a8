// Who may ask the API: everybody who is logged in, from our own page. Also the headers that every answer carries.

import { createHash, randomBytes } from 'node:crypto';
import { StatusError } from '@tapestry/status';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  addSession,
  findSession,
  removeSession,
  type Session,
  type SessionLimits,
  type Sessions,
} from './core/sessions.ts';

export const COOKIE = 'tapestry_session';

/** Marks a route that answers without a login. */
export const openToAll = { config: { noSession: true } };

/** Scripts and styles of our own files alone; nothing inline, nothing from elsewhere, in nobody's frame. */
export const SECURITY_HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=(), usb=()',
} as const;

export interface Gate {
  logIn(reply: FastifyReply, user: string): Session;
  logOut(request: FastifyRequest, reply: FastifyReply): string | null;
  /** The live session of a request. Error: 116. */
  sessionOf(request: FastifyRequest): Session;
}

export interface GateOptions {
  readonly clock: { nowMs(): number };
  readonly limits: SessionLimits;
  readonly secureCookie: boolean;
}

export function makeGate({ clock, limits, secureCookie }: GateOptions): Gate {
  let sessions: Sessions = new Map();
  const cookie = {
    path: '/',
    httpOnly: true,
    sameSite: 'strict',
    secure: secureCookie,
  } as const;
  return {
    logIn: (reply, user) => {
      const token = randomBytes(32).toString('base64url');
      const added = addSession(sessions, { digest: digestOf(token), user }, clock.nowMs(), limits);
      sessions = added.sessions;
      reply.setCookie(COOKIE, token, { ...cookie, maxAge: Math.floor(limits.lifeMs / 1000) });
      return added.session;
    },
    logOut: (request, reply) => {
      const token = request.cookies[COOKIE];
      reply.clearCookie(COOKIE, cookie);
      if (token === undefined) return null;
      const session = findSession(sessions, digestOf(token), clock.nowMs());
      sessions = removeSession(sessions, digestOf(token));
      return session?.user ?? null;
    },
    sessionOf: (request) => {
      const token = request.cookies[COOKIE];
      const session =
        token === undefined ? null : findSession(sessions, digestOf(token), clock.nowMs());
      if (session === null) throw new StatusError('authenticationFailed', 'log in first');
      return session;
    },
  };
}

/**
 * Refuses a change that another site's page caused. SameSite=Strict keeps the cookie away from those already; this
 * holds where a browser does not, and for the login itself, which needs no cookie. Error: 117.
 */
export function refuseForeign(request: FastifyRequest): void {
  if (['GET', 'HEAD', 'OPTIONS'].includes(request.method)) return;
  const site = request.headers['sec-fetch-site'];
  const { origin, host } = request.headers;
  const foreign =
    site !== undefined
      ? site !== 'same-origin' && site !== 'none'
      : origin !== undefined && !isOrigin(origin, host ?? '');
  if (foreign) throw new StatusError('accessDenied', 'the request comes from another site');
}

function isOrigin(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host;
}

function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}
