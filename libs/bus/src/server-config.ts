// The part of nats-server's configuration that the contracts decide: users, and what each may say.

import { callerToken, type Identity, inboxPrefix, permissionsOf } from '@tapestry/contracts';
import { PROVISION_USER } from './provision.ts';

export interface BusUser {
  readonly identity: Identity;
  readonly password: string;
}

/** An `accounts` block in nats-server's syntax. Holds passwords: write it with mode 0600. */
export function authorizationConfig(users: readonly BusUser[], provisionPassword: string): string {
  const blocks = users.map(({ identity, password }) => {
    const { publish, subscribe } = permissionsOf(identity);
    return userBlock(callerToken(identity), password, publish, subscribe);
  });
  const provision = userBlock(
    PROVISION_USER.service,
    provisionPassword,
    ['$JS.API.>'],
    [`${inboxPrefix(PROVISION_USER.service)}.>`],
  );
  return `max_payload: 8MB
accounts {
  TAPESTRY {
    jetstream: enabled
    users = [
${[...blocks, provision].join('\n')}
    ]
  }
}
`;
}

function userBlock(
  user: string,
  password: string,
  publish: readonly string[],
  subscribe: readonly string[],
): string {
  // An answer goes to the asker's inbox, which the answerer may write only because it was asked.
  return `      { user: ${quote(user)}, password: ${quote(password)}, permissions: {
          publish: { allow: [${publish.map(quote).join(', ')}] }
          subscribe: { allow: [${subscribe.map(quote).join(', ')}] }
          allow_responses: { max: 1, expires: "5m" }
      } }`;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
