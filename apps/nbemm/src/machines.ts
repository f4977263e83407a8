// Handlers for machines: the primary, the media servers that make themselves known, and the NDMP hosts beside them.
// Promises that a media server that an administrator paused stays paused over its restarts.

import type { Handlers } from '@tapestry/bus';
import type { AddMachineRequest, MachineRow, SetMachineStateRequest } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { checkName } from './core/checks.ts';
import { change, edit, exists, inUse, type Parts, required, type Tx } from './parts.ts';
import { requireIdleDrives } from './record-uses.ts';
import { emptyRobot } from './required-records.ts';

type MachineHandlers = Pick<
  Handlers<'nbemm'>,
  | 'RegisterMediaServer'
  | 'ListMachines'
  | 'AddMachine'
  | 'DeleteMachine'
  | 'SetMachineState'
  | 'DeleteMachineDevices'
>;

export function machineHandlers(parts: Parts): MachineHandlers {
  return {
    RegisterMediaServer: (request, call) => {
      const { host } = call.caller;
      if (host !== undefined && host !== request.name) {
        throw new StatusError('invalidServer', `${host} may not register ${request.name}`);
      }
      return registerMediaServer(parts, request.name, request.version);
    },
    ListMachines: async ({ name }) => {
      const machines = await listMachines(parts);
      return { machines: machines.filter((each) => name === '' || each.name === name) };
    },
    AddMachine: (request) => addMachine(parts, request),
    DeleteMachine: ({ name }) => deleteMachine(parts, name),
    SetMachineState: (request) => setMachineState(parts, request),
    DeleteMachineDevices: ({ name }) => deleteMachineDevices(parts, name),
  };
}

async function registerMediaServer(parts: Parts, name: string, version: string) {
  if (name === '') throw required('the name of the media server');
  const registered_ms = parts.nowMs();
  await change(parts, `media server ${name}`, (tx) =>
    tx
      .insertInto('media_servers')
      .values({ name, version, registered_ms, active: true, paused: false, description: '' })
      .onConflict((conflict) =>
        conflict.column('name').doUpdateSet((eb) => ({
          ...{ version, registered_ms },
          active: eb.not(eb.ref('media_servers.paused')),
        })),
      )
      .execute(),
  );
  return {};
}

async function listMachines({ store, primaryName }: Parts): Promise<MachineRow[]> {
  const [servers, hosts] = await Promise.all([
    store.db.selectFrom('media_servers').selectAll().orderBy('name').execute(),
    store.db.selectFrom('ndmp_hosts').select('name').orderBy('name').execute(),
  ]);
  const plain = { version: '', registeredMs: 0n, description: '', state: 'active' };
  return [
    { ...plain, name: primaryName, type: 'primary' },
    ...servers.map(({ name, active, paused, version, registered_ms, description }) => ({
      ...{ name, type: 'media', version, description, registeredMs: BigInt(registered_ms) },
      state: paused ? 'paused' : active ? 'active' : 'inactive',
    })),
    ...hosts.map(({ name }) => ({ ...plain, name, type: 'ndmp' })),
  ];
}

async function addMachine(parts: Parts, { name, type, description }: AddMachineRequest) {
  checkName('the machine', name, 255);
  if (type !== 'media') {
    const why = `a machine of type '${type}' is not added this way: NDMP hosts come with tpconfig, the primary by itself`;
    throw new StatusError('invalidEntry', why);
  }
  const row = { name, version: '', registered_ms: 0, active: false, paused: false, description };
  await edit(parts, `media server ${name}`, async (tx) => {
    const added = await tx
      .insertInto('media_servers')
      .values(row)
      .onConflict((conflict) => conflict.doNothing())
      .returning('name')
      .execute();
    if (added.length === 0) throw exists(`media server ${name}`);
  });
  return {};
}

async function deleteMachine(parts: Parts, name: string) {
  await edit(parts, `media server ${name}`, async (tx) => {
    await lockServer(tx, name);
    await requireUnused(tx, name);
    await tx.deleteFrom('ndmp_credentials').where('media_server', '=', name).execute();
    await tx.deleteFrom('media_servers').where('name', '=', name).execute();
  });
  return {};
}

async function requireUnused(tx: Tx, name: string): Promise<void> {
  const path = await tx
    .selectFrom('drive_paths')
    .select('drive')
    .where('media_server', '=', name)
    .executeTakeFirst();
  if (path !== undefined) throw inUse(`drive ${path.drive} has a path from ${name}`);
  const robot = await tx
    .selectFrom('robots')
    .select('number')
    .where('control_host', '=', name)
    .executeTakeFirst();
  if (robot !== undefined) throw inUse(`${name} controls robot ${robot.number}`);
  const unit = await tx
    .selectFrom('storage_units')
    .select('label')
    .where('media_server', '=', name)
    .executeTakeFirst();
  if (unit !== undefined) throw inUse(`storage unit ${unit.label} is on ${name}`);
  const volume = await tx
    .selectFrom('volumes')
    .select('media_id')
    .where('owner', '=', name)
    .where('assigned_ms', '>', 0)
    .limit(1)
    .executeTakeFirst();
  if (volume !== undefined) {
    throw inUse(`volume ${volume.media_id} was written by ${name}: give it to another first`);
  }
}

async function setMachineState(parts: Parts, { name, paused }: SetMachineStateRequest) {
  await edit(parts, `media server ${name}`, async (tx) => {
    const { registered_ms } = await lockServer(tx, name);
    // One that never started has nothing to be active with.
    const active = !paused && registered_ms > 0;
    await tx
      .updateTable('media_servers')
      .set({ paused, active })
      .where('name', '=', name)
      .execute();
  });
  parts.log.info({ mediaServer: name, paused }, 'the state of a media server was set');
  return {};
}

async function lockServer(tx: Tx, name: string) {
  const row = await tx
    .selectFrom('media_servers')
    .selectAll()
    .where('name', '=', name)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined) {
    throw new StatusError('machineUnknown', `${name} is no media server in the EMM database`);
  }
  return row;
}

async function deleteMachineDevices(parts: Parts, name: string) {
  const rows = await parts.store.db
    .selectFrom('drive_paths')
    .select('drive')
    .where('media_server', '=', name)
    .execute();
  const drives = new Set(rows.map(({ drive }) => drive));
  await requireIdleDrives(parts, (drive) => drives.has(drive));
  await edit(parts, `devices of ${name}`, async (tx) => {
    await lockServer(tx, name);
    await tx.deleteFrom('drive_paths').where('media_server', '=', name).execute();
    await tx
      .deleteFrom('drives')
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('drive_paths')
              .select('drive_paths.drive')
              .whereRef('drive_paths.drive', '=', 'drives.name'),
          ),
        ),
      )
      .execute();
    await deleteRobotsOf(tx, name);
  });
  return {};
}

/** A robot in which drives of others stand keeps its record: those others need to be told who controls it now. */
async function deleteRobotsOf(tx: Tx, name: string): Promise<void> {
  const robots = await tx
    .selectFrom('robots')
    .select('number')
    .where('control_host', '=', name)
    .execute();
  for (const { number } of robots) {
    const drive = await tx
      .selectFrom('drives')
      .select('name')
      .where('robot_number', '=', number)
      .executeTakeFirst();
    if (drive !== undefined) {
      throw inUse(`${name} controls robot ${number}, and other hosts use its drive ${drive.name}`);
    }
    await emptyRobot(tx, number);
    await tx.deleteFrom('robots').where('number', '=', number).execute();
  }
}
