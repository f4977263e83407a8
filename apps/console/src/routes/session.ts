// Log in, log out, and who am I.

import { StatusError } from '@tapestry/status';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { ApiParts } from '../api.ts';
import {
  countAttempt,
  forgiveAttempt,
  LOGIN_RULES,
  type LoginFailures,
  waitBeforeLogin,
} from '../core/login-limits.ts';
import { openToAll } from '../gate.ts';
import { inputJsonSchema, loginBodySchema, ref } from '../schemas.ts';

export function addSessionRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { gate, passwords, clock, log } = parts;
  let failures: LoginFailures = new Map();

  app.post(
    '/api/session',
    {
      ...openToAll,
      bodyLimit: 8 * 1024,
      schema: {
        operationId: 'logIn',
        body: inputJsonSchema(loginBodySchema),
        response: { 200: ref('Session'), '4xx': ref('Problem'), '5xx': ref('Problem') },
      },
    },
    async (request, reply) => {
      const { user, password } = request.body as z.infer<typeof loginBodySchema>;
      const attempt = { address: request.ip, user };
      const waitMs = waitBeforeLogin(failures, attempt, clock.nowMs(), LOGIN_RULES);
      if (waitMs > 0) {
        log.warn({ audit: 'login', ...attempt, result: 'too many attempts' }, 'login refused');
        return reply
          .code(429)
          .header('retry-after', Math.ceil(waitMs / 1000))
          .send(tooMany(waitMs));
      }
      failures = countAttempt(failures, attempt, clock.nowMs(), LOGIN_RULES);
      if (!(await passwords.isRight(user, password))) {
        log.warn({ audit: 'login', ...attempt, result: 'wrong' }, 'login refused');
        throw new StatusError('authenticationFailed', 'the user name or the password is wrong');
      }
      failures = forgiveAttempt(failures, attempt, LOGIN_RULES);
      const session = gate.logIn(reply, user);
      log.info({ audit: 'login', ...attempt, result: 'good' }, 'logged in');
      return { user, expiresMs: session.expiresMs };
    },
  );

  app.get(
    '/api/session',
    {
      schema: {
        operationId: 'whoAmI',
        response: { 200: ref('Session'), '4xx': ref('Problem') },
      },
    },
    async (request) => {
      const { user, expiresMs } = gate.sessionOf(request);
      return { user, expiresMs };
    },
  );

  app.delete(
    '/api/session',
    {
      ...openToAll,
      schema: { operationId: 'logOut', response: { 200: ref('Done'), '4xx': ref('Problem') } },
    },
    async (request, reply) => {
      const user = gate.logOut(request, reply);
      if (user !== null) log.info({ audit: 'logout', user, address: request.ip }, 'logged out');
      return { done: user !== null };
    },
  );
}

function tooMany(waitMs: number): object {
  const minutes = Math.ceil(waitMs / 60_000);
  return {
    code: 116,
    name: 'authenticationFailed',
    text: 'too many attempts',
    detail: `wait ${minutes === 1 ? 'a minute' : `${minutes} minutes`} before the next one`,
  };
}
