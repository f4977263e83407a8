// What tpconfig does with NDMP hosts and their credentials: the host's own, one for a media server, one for all hosts.

import type { Context } from './command.ts';
import type { DeviceLine } from './device-line.ts';
import { usage } from './option-table.ts';

export async function changeHost(
  options: DeviceLine,
  name: string,
  context: Context,
): Promise<void> {
  const nbemm = await context.client('nbemm');
  if (options.delete) {
    await nbemm.DeleteNdmpHost({ name });
    return;
  }
  const user = options.filer_user_id;
  if (options.use_default && user !== undefined) {
    throw usage('-use_default and -filer_user_id exclude each other');
  }
  if (options.add && user === undefined && !options.use_default) {
    throw usage('-filer_user_id or -use_default is needed');
  }
  // An update that names neither user nor password file only moves the address.
  const asks = user !== undefined || options.filer_password_file !== undefined;
  const password = asks ? await askPassword(options, user ?? 'the user', name, context) : '';
  await nbemm.AddNdmpHost({
    ...{ name, user, password, address: options.filer_addr, port: options.filer_port },
    ...{ auth: options.filer_auth, update: options.update, useGlobal: options.use_default },
  });
}

/** The credential for one media server, of a host that is configured. */
export async function changeCredential(
  options: DeviceLine,
  name: string,
  context: Context,
): Promise<void> {
  const nbemm = await context.client('nbemm');
  const key = { ndmpHost: name, mediaServer: options.host };
  if (options.delete) {
    await nbemm.DeleteNdmpCredential(key);
    return;
  }
  const user = options.filer_user_id;
  if (user === undefined) throw usage('-filer_user_id is needed');
  const password = await askPassword(options, user, name, context);
  await nbemm.SetNdmpCredential({ key, user, password });
}

export async function changeDefault(
  options: DeviceLine,
  user: string,
  context: Context,
): Promise<void> {
  const nbemm = await context.client('nbemm');
  const key = { ndmpHost: '', mediaServer: '' };
  if (options.delete) {
    await nbemm.DeleteNdmpCredential(key);
    return;
  }
  const password = await askPassword(options, user, 'all NDMP hosts', context);
  await nbemm.SetNdmpCredential({ key, user, password });
}

async function askPassword(
  options: DeviceLine,
  user: string,
  host: string,
  context: Context,
): Promise<string> {
  const question = `Password of ${user} at ${host}: `;
  return await context.terminal.secret(question, options.filer_password_file);
}
