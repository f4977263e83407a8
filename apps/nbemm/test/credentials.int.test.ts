// Credentials of NDMP hosts: whose is used from where, and that a probe needs no password to be typed.

import { makeReaderKey, openCredential } from '@tapestry/contracts';
import { expect, test } from 'vitest';
import { withNbemm } from './fixture.ts';

const world = withNbemm();

async function credentialOf(ndmpHost: string) {
  const key = makeReaderKey();
  const grant = { attempt: { jobId: 9n, try: 1, step: 0 }, grantId: 'good', epoch: 9n };
  const ask = { grant, ndmpHost, publicKey: key.publicKey };
  return openCredential(await world.asAgent.GetNdmpCredential(ask), key);
}

test('the default of all hosts, then the host’s own, then that of a media server', async () => {
  const host = { name: 'filer1', useGlobal: true };
  await expect(world.cli.AddNdmpHost(host)).rejects.toThrow(/2006/);
  const all = { ndmpHost: '', mediaServer: '' };
  await world.cli.SetNdmpCredential({ key: all, user: 'everyone', password: 'a' });
  await world.cli.AddNdmpHost(host);
  expect(await credentialOf('filer1')).toEqual({ user: 'everyone', password: 'a' });
  await expect(world.cli.DeleteNdmpCredential(all)).rejects.toThrow(/224 .*filer1/);

  const orphan = { name: 'filer1', password: 'b', update: true };
  await expect(world.cli.AddNdmpHost(orphan)).rejects.toThrow(/223 .*default/);
  await world.cli.AddNdmpHost({ name: 'filer1', user: 'own', password: 'b', update: true });
  expect(await credentialOf('filer1')).toEqual({ user: 'own', password: 'b' });
  await world.cli.AddNdmpHost({ name: 'filer1', user: 'renamed', update: true });
  expect(await credentialOf('filer1')).toEqual({ user: 'renamed', password: 'b' });

  const near = { ndmpHost: 'filer1', mediaServer: 'media1' };
  await world.cli.SetNdmpCredential({ key: near, user: 'near', password: 'c' });
  expect(await credentialOf('filer1')).toEqual({ user: 'near', password: 'c' });
  const far = { ndmpHost: 'filer1', mediaServer: 'nowhere' };
  const wrong = { key: far, user: 'x', password: 'y' };
  await expect(world.cli.SetNdmpCredential(wrong)).rejects.toThrow(/2101/);
  const { hosts, globalUser } = await world.cli.ListNdmpHosts({});
  expect(globalUser).toBe('everyone');
  expect(hosts).toMatchObject([
    { name: 'filer1', user: 'renamed', users: [{ mediaServer: 'media1', user: 'near' }] },
  ]);
  await world.cli.DeleteNdmpCredential(near);
  expect((await credentialOf('filer1')).user).toBe('renamed');
  const own = { ndmpHost: 'filer1', mediaServer: '' };
  await world.cli.AddNdmpHost({ name: 'filer1', useGlobal: true, update: true });
  expect((await credentialOf('filer1')).user).toBe('everyone');
  await world.cli.SetNdmpCredential({ key: own, user: 'again', password: 'd' });
  expect((await credentialOf('filer1')).user).toBe('again');
  await expect(world.cli.DeleteNdmpCredential(own)).rejects.toThrow(/224/);
  await world.cli.DeleteNdmpCredential(all);
  await expect(world.cli.DeleteNdmpCredential(all)).rejects.toThrow(/227/);
});

test('a probe logs in from a media server with what is stored', async () => {
  await world.cli.AddNdmpHost({
    name: 'filer2',
    address: '10.0.0.2',
    user: 'root',
    password: 'pw',
  });
  const fact = { group: 'server', name: 'product', value: 'Filer OS' };
  world.ndmpagent.answer({ Probe: async () => ({ facts: [fact] }) });
  const { facts } = await world.cli.ProbeNdmpHost({ name: 'filer2', mediaServer: 'media1' });
  expect(facts).toEqual([fact]);
  expect(world.ndmpagent.requests('Probe').at(-1)).toMatchObject({
    ...{ name: 'filer2', address: '10.0.0.2', port: 10_000, user: 'root', password: 'pw' },
  });
  const nobody = { name: 'filer3', mediaServer: 'media1' };
  await expect(world.cli.ProbeNdmpHost(nobody)).rejects.toThrow(/2108/);
});

test('for a robot on an NDMP host: to the media server that controls it, and for that host alone', async () => {
  await world.cli.AddNdmpHost({
    name: 'filer7',
    address: '10.0.0.7',
    user: 'robot',
    password: 'r',
  });
  await world.cli.AddMachine({ name: 'media2', type: 'media' });
  const robot = { type: 'tld', path: 'changer0', ndmpHost: 'filer7' };
  await world.cli.AddRobot({ robot: { ...robot, number: 70, controlHost: 'media1' } });
  await world.cli.AddRobot({ robot: { ...robot, number: 71, controlHost: 'media2', path: 'c1' } });
  const key = makeReaderKey();
  const ask = (robotNumber: number, ndmpHost: string) =>
    world.asAgent.GetNdmpCredential({
      ...{ forRobot: true, robotNumber, ndmpHost, publicKey: key.publicKey },
    });
  expect(openCredential(await ask(70, 'filer7'), key)).toEqual({ user: 'robot', password: 'r' });
  await expect(ask(71, 'filer7')).rejects.toThrow(/902 .*does not control/);
  await expect(ask(70, 'filer1')).rejects.toThrow(/902/);
  await expect(ask(72, 'filer7')).rejects.toThrow(/902/);
});
