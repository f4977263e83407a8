// Handlers for NDMP hosts and their credentials: the default of all hosts, one for a host, one for a host from a certain
// media server. Promises that a password leaves nbemm only sealed to the asker of a valid grant, or to log in for a
// probe, and stands in clear neither in the database nor in a log.

import type { Handlers } from '@tapestry/bus';
import {
  type AddNdmpHostRequest,
  type GetNdmpCredentialRequest,
  type NdmpCredentialKey,
  type ProbeNdmpHostRequest,
  type SetNdmpCredentialRequest,
  sealCredential,
} from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { credentialOwner } from './adapters/secret-box.ts';
import { checkHostAddress, checkName } from './core/checks.ts';
import { chooseCredential } from './core/credential-choice.ts';
import { edit, exists, inUse, missing, type Parts, required, type Tx } from './parts.ts';
import { requireNdmpHost, requireServer } from './required-records.ts';

type HostHandlers = Pick<
  Handlers<'nbemm'>,
  | 'AddNdmpHost'
  | 'DeleteNdmpHost'
  | 'ListNdmpHosts'
  | 'SetNdmpCredential'
  | 'DeleteNdmpCredential'
  | 'GetNdmpCredential'
  | 'ProbeNdmpHost'
>;

const NDMP_PORT = 10_000;

export function hostHandlers(parts: Parts): HostHandlers {
  return {
    AddNdmpHost: (request) => addNdmpHost(parts, request),
    DeleteNdmpHost: ({ name }) => deleteNdmpHost(parts, name),
    ListNdmpHosts: ({ name }) => listNdmpHosts(parts, name),
    SetNdmpCredential: (request) => setCredential(parts, request),
    DeleteNdmpCredential: (request) => deleteCredential(parts, request),
    GetNdmpCredential: (request, call) => getCredential(parts, request, call.caller.host),
    ProbeNdmpHost: (request, call) => probe(parts, request, call.signal),
  };
}

async function addNdmpHost(parts: Parts, request: AddNdmpHostRequest) {
  const { name, update, user, password } = request;
  checkName('the NDMP host', name, 255);
  checkHostAddress(request.port, request.auth);
  await edit(parts, `NDMP host ${name}`, async (tx) => {
    const old = await tx
      .selectFrom('ndmp_hosts')
      .selectAll()
      .where('name', '=', name)
      .executeTakeFirst();
    const credential = await findCredential(tx, { ndmpHost: name, mediaServer: '' });
    const globalUser = await findCredential(tx, { ndmpHost: '', mediaServer: '' });
    if (update && old === undefined) throw missing(`NDMP host ${name}`);
    if (!update && old !== undefined) throw exists(`NDMP host ${name}`);
    const ownUser = user || credential?.user_name;
    const useGlobal = request.useGlobal || (user === '' && (old?.use_global ?? false));
    if (useGlobal && globalUser === undefined) {
      const why = 'there is no default credential: set it with tpconfig -default_user_id';
      throw new StatusError('ndmpCredentialsMissing', why);
    }
    if (useGlobal && password !== '') {
      const why = `NDMP host ${name} takes the default credential: name a user to give it its own`;
      throw new StatusError('invalidEntry', why);
    }
    if (!useGlobal && (ownUser === undefined || (credential === undefined && password === ''))) {
      throw new StatusError('requiredValueNotSet', `NDMP host ${name} needs a user and a password`);
    }
    // An update changes what it names and keeps the rest: a password need not be typed to move a port.
    const row = {
      ...{ name, use_global: useGlobal, auth: request.auth || (old?.auth ?? 'md5') },
      address: request.address || (old?.address ?? name),
      port: request.port || (old?.port ?? NDMP_PORT),
    };
    await tx
      .insertInto('ndmp_hosts')
      .values(row)
      .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
      .execute();
    if (!useGlobal && (user !== '' || password !== '')) {
      const key = { ndmpHost: name, mediaServer: '' };
      await saveCredential(parts, tx, { key, user: ownUser ?? '', password });
    }
  });
  return {};
}

function findCredential(tx: Tx, { ndmpHost, mediaServer }: NdmpCredentialKey) {
  return tx
    .selectFrom('ndmp_credentials')
    .selectAll()
    .where('ndmp_host', '=', ndmpHost)
    .where('media_server', '=', mediaServer)
    .executeTakeFirst();
}

interface Secret {
  readonly key: NdmpCredentialKey;
  readonly user: string;
  /** Empty keeps the one that is stored. */
  readonly password: string;
}

async function saveCredential(parts: Parts, tx: Tx, { key, user, password }: Secret) {
  const where = { ndmp_host: key.ndmpHost, media_server: key.mediaServer };
  if (password === '') {
    await tx
      .updateTable('ndmp_credentials')
      .set({ user_name: user })
      .where('ndmp_host', '=', key.ndmpHost)
      .where('media_server', '=', key.mediaServer)
      .execute();
    return;
  }
  const sealed_password = parts.box.seal(credentialOwner(key), password);
  await tx
    .insertInto('ndmp_credentials')
    .values({ ...where, user_name: user, sealed_password })
    .onConflict((conflict) =>
      conflict
        .columns(['ndmp_host', 'media_server'])
        .doUpdateSet({ user_name: user, sealed_password }),
    )
    .execute();
}

async function setCredential(parts: Parts, { key, user, password }: SetNdmpCredentialRequest) {
  if (key === null) throw required('whose credential it is');
  if (user === '' || password === '') throw required('the user or the password');
  const what = key.ndmpHost === '' ? 'the default NDMP credential' : `NDMP host ${key.ndmpHost}`;
  await edit(parts, what, async (tx) => {
    if (key.ndmpHost !== '') await requireNdmpHost(tx, key.ndmpHost);
    if (key.mediaServer !== '') await requireServer(tx, key.mediaServer);
    await saveCredential(parts, tx, { key, user, password });
    if (key.ndmpHost === '' || key.mediaServer !== '') return;
    await tx
      .updateTable('ndmp_hosts')
      .set({ use_global: false })
      .where('name', '=', key.ndmpHost)
      .execute();
  });
  return {};
}

async function deleteCredential(parts: Parts, key: NdmpCredentialKey) {
  const { ndmpHost, mediaServer } = key;
  const whose = ndmpHost === '' ? 'all hosts' : `NDMP host ${ndmpHost}`;
  const what = `the credential of ${whose}${mediaServer === '' ? '' : ` from ${mediaServer}`}`;
  await edit(parts, what, async (tx) => {
    if (ndmpHost === '') {
      const user = await tx
        .selectFrom('ndmp_hosts')
        .select('name')
        .where('use_global', '=', true)
        .executeTakeFirst();
      if (user !== undefined) throw inUse(`NDMP host ${user.name} uses the default credential`);
    } else if (mediaServer === '') {
      throw inUse(`NDMP host ${ndmpHost} needs it: delete the host, or let it use the default one`);
    }
    const gone = await tx
      .deleteFrom('ndmp_credentials')
      .where('ndmp_host', '=', ndmpHost)
      .where('media_server', '=', mediaServer)
      .returning('user_name')
      .execute();
    if (gone.length === 0) throw missing(what);
  });
  return {};
}

async function deleteNdmpHost(parts: Parts, name: string) {
  await edit(parts, `NDMP host ${name}`, async (tx) => {
    await requireUnused(tx, name);
    await tx.deleteFrom('ndmp_credentials').where('ndmp_host', '=', name).execute();
    const gone = await tx
      .deleteFrom('ndmp_hosts')
      .where('name', '=', name)
      .returning('name')
      .execute();
    if (gone.length === 0) throw missing(`NDMP host ${name}`);
  });
  return {};
}

async function requireUnused(tx: Tx, name: string): Promise<void> {
  const path = await tx
    .selectFrom('drive_paths')
    .select('drive')
    .where('ndmp_host', '=', name)
    .executeTakeFirst();
  if (path !== undefined) throw inUse(`drive ${path.drive} hangs on ${name}`);
  const robot = await tx
    .selectFrom('robots')
    .select('number')
    .where('ndmp_host', '=', name)
    .executeTakeFirst();
  if (robot !== undefined) throw inUse(`robot ${robot.number} hangs on ${name}`);
  const unit = await tx
    .selectFrom('storage_units')
    .select('label')
    .where('ndmp_host', '=', name)
    .executeTakeFirst();
  if (unit !== undefined) throw inUse(`storage unit ${unit.label} is on ${name}`);
}

async function listNdmpHosts({ store }: Parts, name: string) {
  const [hosts, users] = await Promise.all([
    store.db.selectFrom('ndmp_hosts').selectAll().orderBy('name').execute(),
    store.db
      .selectFrom('ndmp_credentials')
      .select(['ndmp_host', 'media_server', 'user_name'])
      .orderBy('media_server')
      .execute(),
  ]);
  const userOf = (host: string, server: string): string =>
    users.find((each) => each.ndmp_host === host && each.media_server === server)?.user_name ?? '';
  return {
    hosts: hosts
      .filter((host) => name === '' || host.name === name)
      .map(({ use_global, ...host }) => ({
        ...{ ...host, useGlobal: use_global },
        user: use_global ? userOf('', '') : userOf(host.name, ''),
        users: users
          .filter((each) => each.ndmp_host === host.name && each.media_server !== '')
          .map(({ media_server, user_name }) => ({ mediaServer: media_server, user: user_name })),
      })),
    globalUser: userOf('', ''),
  };
}

/** Errors: 2108 no such host, 2006 none fits, 116 it was sealed under another key. */
async function openCredential({ store, box }: Parts, ndmpHost: string, mediaServer: string) {
  const host = await store.db
    .selectFrom('ndmp_hosts')
    .selectAll()
    .where('name', '=', ndmpHost)
    .executeTakeFirst();
  if (host === undefined) {
    const why = `the NDMP host ${ndmpHost} is not configured: add it with tpconfig`;
    throw new StatusError('ndmpHostUnknown', why, { ndmpHost });
  }
  const rows = await store.db
    .selectFrom('ndmp_credentials')
    .selectAll()
    .where('ndmp_host', 'in', [ndmpHost, ''])
    .execute();
  const keys = rows.map((row) => ({ ndmpHost: row.ndmp_host, mediaServer: row.media_server, row }));
  const chosen = chooseCredential(keys, {
    ...{ ndmpHost, mediaServer, useGlobal: host.use_global },
  });
  if (chosen === undefined) {
    const why = `NDMP host ${ndmpHost} has no credential: set one with tpconfig`;
    throw new StatusError('ndmpCredentialsMissing', why, { ndmpHost });
  }
  const password = box.open(credentialOwner(chosen), chosen.row.sealed_password);
  return { host, user: chosen.row.user_name, password };
}

async function getCredential(
  parts: Parts,
  request: GetNdmpCredentialRequest,
  askerHost: string | undefined,
) {
  const mediaServer = request.forRobot
    ? await controllerOf(parts, request, askerHost)
    : await mediaServerOf(parts, request, askerHost);
  const { host, user, password } = await openCredential(parts, request.ndmpHost, mediaServer);
  const sealed = sealCredential({ user, password }, request.publicKey);
  return { address: host.address, port: host.port, auth: host.auth, ...sealed };
}

/** A robot on an NDMP host is moved by one media server alone, which needs no grant to look at it. */
async function controllerOf(
  { store }: Parts,
  { robotNumber, ndmpHost }: GetNdmpCredentialRequest,
  askerHost: string | undefined,
): Promise<string> {
  const robot = await store.db
    .selectFrom('robots')
    .select(['control_host', 'ndmp_host'])
    .where('number', '=', robotNumber)
    .executeTakeFirst();
  const isControlled =
    robot !== undefined &&
    robot.ndmp_host === ndmpHost &&
    (askerHost === undefined || robot.control_host === askerHost);
  if (isControlled) return robot.control_host;
  const why = `${askerHost} does not control robot ${robotNumber} of NDMP host ${ndmpHost}`;
  throw new StatusError('staleGrant', why);
}

/** The grant's. Error: 902 it is over, or another host's. */
async function mediaServerOf(
  parts: Parts,
  { grant }: GetNdmpCredentialRequest,
  askerHost: string | undefined,
): Promise<string> {
  if (grant === null) throw new StatusError('staleGrant', 'a credential is given to a grant only');
  const { valid, mediaServer } = await parts.nbrb.CheckGrant({ grant });
  if (!valid) {
    throw new StatusError('staleGrant', `grant ${grant.grantId} is not valid, or no longer`);
  }
  if (askerHost !== undefined && askerHost !== mediaServer) {
    const why = `grant ${grant.grantId} is for ${mediaServer}, not for ${askerHost}`;
    throw new StatusError('staleGrant', why);
  }
  return mediaServer;
}

async function probe(parts: Parts, request: ProbeNdmpHostRequest, signal: AbortSignal) {
  const { name, mediaServer } = request;
  const { host, user, password } = await openCredential(parts, name, mediaServer);
  const { address, port, auth } = host;
  return await parts
    .ndmpagent(mediaServer)
    .Probe({ name, address, port, user, password, auth }, { signal });
}
