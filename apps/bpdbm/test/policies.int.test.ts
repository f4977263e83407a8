import { eventually } from '@tapestry/testkit';
import { expect, test } from 'vitest';
import { withBpdbm } from './fixture.ts';

const world = withBpdbm();

test('policies are made, changed by generation, listed, told and deleted', async () => {
  const told: unknown[] = [];
  const nbpem = await world.bus.as({ service: 'nbpem' });
  await nbpem.consume('PolicyChanged', async (message) => void told.push(message));
  const { policy } = await world.cli.CreatePolicy({ name: 'daily' });
  expect(policy).toMatchObject({ name: 'daily', type: 'NDMP', active: true, generation: 1n });
  await expect(world.cli.CreatePolicy({ name: 'daily' })).rejects.toThrow(/226/);
  await expect(world.cli.CreatePolicy({ name: 'a b' })).rejects.toThrow(/223/);
  await expect(world.cli.CreatePolicy({ name: 'x', sameAs: 'nope' })).rejects.toThrow(/230/);

  const wanted = { ...policy!, clients: ['filer1'], includes: ['SET HIST=F', '/vol/home/'] };
  const changed = (await world.cli.UpdatePolicy({ policy: wanted })).policy!;
  expect(changed).toMatchObject({ generation: 2n, includes: ['SET HIST=F', '/vol/home'] });
  await expect(world.cli.UpdatePolicy({ policy: wanted })).rejects.toThrow(/224.*generation 2/);
  expect((await world.asBprd.GetPolicy({ name: 'daily' })).policy).toEqual(changed);
  await expect(world.asBprd.GetPolicy({ name: 'none' })).rejects.toThrow(/230/);

  await world.cli.DeletePolicy({ name: 'daily' });
  await expect(world.cli.DeletePolicy({ name: 'daily' })).rejects.toThrow(/230/);
  await eventually('three events', () => told.length === 3);
  expect(told).toMatchObject([
    { policy: 'daily', generation: 1n, deleted: false },
    { policy: 'daily', generation: 2n, deleted: false },
    { policy: 'daily', generation: 3n, deleted: true },
  ]);
});

test('one active policy owns a path of a client', async () => {
  const make = async (name: string, sameAs = '') =>
    (await world.cli.CreatePolicy({ name, sameAs })).policy!;
  const one = await make('one');
  const paths = { clients: ['filer2'], includes: ['/vol/a', '/vol/b'] };
  const saved = (await world.cli.UpdatePolicy({ policy: { ...one, ...paths } })).policy!;
  const two = await make('two');
  const clash = { ...two, clients: ['filer9', 'filer2'], includes: ['/vol/b/'] };
  await expect(world.cli.UpdatePolicy({ policy: clash })).rejects.toThrow(
    /224.*policy one.*\/vol\/b/,
  );
  await world.cli.UpdatePolicy({ policy: { ...clash, clients: ['filer9'] } });

  const copy = await make('copy', 'one');
  expect(copy).toMatchObject({ active: false, ...paths });
  await expect(world.cli.UpdatePolicy({ policy: { ...copy, active: true } })).rejects.toThrow(
    /224/,
  );
  await world.cli.UpdatePolicy({ policy: { ...saved, active: false } });
  await world.cli.UpdatePolicy({ policy: { ...copy, active: true } });
  const names = async (inactiveToo: boolean) =>
    (await world.cli.ListPolicies({ inactiveToo })).policies.map((policy) => policy.name);
  expect(await names(false)).toEqual(['copy', 'two']);
  expect(await names(true)).toEqual(['copy', 'one', 'two']);
});
