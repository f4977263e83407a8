// Handlers for NDMP hosts and their credentials. Promises that a password leaves nbemm only sealed to the asker of a
// valid grant, and stands in clear neither in the database nor in a log.

import type { Handlers } from '@tapestry/bus';
import {
  type AddNdmpHostRequest,
  type GetNdmpCredentialRequest,
  sealCredential,
} from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { checkHostAddress, checkName } from './core/checks.ts';
import { change, exists, missing, type Parts } from './parts.ts';

type HostHandlers = Pick<
  Handlers<'nbemm'>,
  'AddNdmpHost' | 'DeleteNdmpHost' | 'ListNdmpHosts' | 'GetNdmpCredential'
>;

const NDMP_PORT = 10_000;

export function hostHandlers(parts: Parts): HostHandlers {
  return {
    AddNdmpHost: (request) => addNdmpHost(parts, request),
    DeleteNdmpHost: async ({ name }) => {
      await change(parts, `NDMP host ${name}`, async (tx) => {
        const gone = await tx
          .deleteFrom('ndmp_hosts')
          .where('name', '=', name)
          .returning('name')
          .execute();
        if (gone.length === 0) throw missing(`NDMP host ${name}`);
      });
      return {};
    },
    ListNdmpHosts: async ({ name }) => {
      let query = parts.store.db
        .selectFrom('ndmp_hosts')
        .select(['name', 'address', 'port', 'user_name', 'auth'])
        .orderBy('name');
      if (name !== '') query = query.where('name', '=', name);
      const rows = await query.execute();
      return { hosts: rows.map(({ user_name, ...row }) => ({ ...row, user: user_name })) };
    },
    GetNdmpCredential: (request, call) => getCredential(parts, request, call.caller.host),
  };
}

async function addNdmpHost(parts: Parts, request: AddNdmpHostRequest) {
  const { name, update } = request;
  checkName('the NDMP host', name, 255);
  checkHostAddress(request.port, request.auth);
  const { db } = parts.store;
  const old = await db
    .selectFrom('ndmp_hosts')
    .selectAll()
    .where('name', '=', name)
    .executeTakeFirst();
  if (update && old === undefined) throw missing(`NDMP host ${name}`);
  if (!update && old !== undefined) throw exists(`NDMP host ${name}`);
  if (old === undefined && (request.user === '' || request.password === '')) {
    throw new StatusError('requiredValueNotSet', `NDMP host ${name} needs a user and a password`);
  }
  // An update changes what it names and keeps the rest: a password need not be typed to move a port.
  const row = {
    name,
    address: request.address || (old?.address ?? name),
    port: request.port || (old?.port ?? NDMP_PORT),
    user_name: request.user || (old?.user_name ?? ''),
    auth: request.auth || (old?.auth ?? 'md5'),
    sealed_password:
      request.password === '' && old !== undefined
        ? old.sealed_password
        : parts.box.seal(name, request.password),
  };
  await change(parts, `NDMP host ${name}`, (tx) =>
    tx
      .insertInto('ndmp_hosts')
      .values(row)
      .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
      .execute(),
  );
  return {};
}

async function getCredential(
  parts: Parts,
  request: GetNdmpCredentialRequest,
  askerHost: string | undefined,
) {
  const { grant, ndmpHost } = request;
  if (grant === null) throw new StatusError('staleGrant', 'a credential is given to a grant only');
  const { valid, mediaServer } = await parts.nbrb.CheckGrant({ grant });
  if (!valid) {
    throw new StatusError('staleGrant', `grant ${grant.grantId} is not valid, or no longer`);
  }
  if (askerHost !== undefined && askerHost !== mediaServer) {
    const why = `grant ${grant.grantId} is for ${mediaServer}, not for ${askerHost}`;
    throw new StatusError('staleGrant', why);
  }
  const host = await parts.store.db
    .selectFrom('ndmp_hosts')
    .selectAll()
    .where('name', '=', ndmpHost)
    .executeTakeFirst();
  if (host === undefined) {
    const why = `the NDMP host ${ndmpHost} is not configured: add it with tpconfig`;
    throw new StatusError('ndmpHostUnknown', why, { ndmpHost });
  }
  const password = parts.box.open(ndmpHost, host.sealed_password);
  const sealed = sealCredential({ user: host.user_name, password }, request.publicKey);
  return { address: host.address, port: host.port, auth: host.auth, ...sealed };
}
