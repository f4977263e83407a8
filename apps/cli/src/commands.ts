// Every command by name. Each is loaded only when it is called.

import type { Command } from './command.ts';

type Load = () => Promise<Command>;

const COMMANDS: Readonly<Record<string, Load>> = {
  bpbackup: async () => (await import('./commands/bpbackup.ts')).bpbackup,
  bprestore: async () => (await import('./commands/bprestore.ts')).bprestore,
  bplist: async () => (await import('./commands/bplist.ts')).bplist,
  bpimagelist: async () => (await import('./commands/bpimagelist.ts')).bpimagelist,
  bpexpdate: async () => (await import('./commands/bpexpdate.ts')).bpexpdate,
  bpimage: async () => (await import('./commands/bpimage.ts')).bpimage,
  bpdbjobs: async () => (await import('./commands/bpdbjobs.ts')).bpdbjobs,
  tpconfig: async () => (await import('./commands/tpconfig.ts')).tpconfig,
  tpautoconf: async () => (await import('./commands/tpautoconf.ts')).tpautoconf,
  'ndmp-probe': async () => (await import('./commands/ndmp-probe.ts')).ndmpProbe,
  vmquery: async () => (await import('./commands/vmquery.ts')).vmquery,
  vmadd: async () => (await import('./commands/vmadd.ts')).vmadd,
  vmchange: async () => (await import('./commands/vmchange.ts')).vmchange,
  vmrule: async () => (await import('./commands/vmrule.ts')).vmrule,
  bplabel: async () => (await import('./commands/bplabel.ts')).bplabel,
  bpmedia: async () => (await import('./commands/bpmedia.ts')).bpmedia,
  bpmedialist: async () => (await import('./commands/bpmedialist.ts')).bpmedialist,
  vmdelete: async () => (await import('./commands/vmdelete.ts')).vmdelete,
  vmoprcmd: async () => (await import('./commands/vmoprcmd.ts')).vmoprcmd,
  vmupdate: async () => (await import('./commands/vmupdate.ts')).vmupdate,
  robtest: async () => (await import('./commands/robtest.ts')).robtest,
  tpclean: async () => (await import('./commands/tpclean.ts')).tpclean,
  vmcheckxxx: async () => (await import('./commands/vmcheckxxx.ts')).vmcheckxxx,
  vmpool: async () => (await import('./commands/vmpool.ts')).vmpool,
  bpstuadd: async () => (await import('./commands/bpstuadd.ts')).bpstuadd,
  bpsturep: async () => (await import('./commands/bpsturep.ts')).bpsturep,
  nbdevquery: async () => (await import('./commands/nbdevquery.ts')).nbdevquery,
  nbemmcmd: async () => (await import('./commands/nbemmcmd.ts')).nbemmcmd,
  bpstulist: async () => (await import('./commands/bpstulist.ts')).bpstulist,
  bpstudel: async () => (await import('./commands/bpstudel.ts')).bpstudel,
  bppolicynew: async () => (await import('./commands/bppolicynew.ts')).bppolicynew,
  bppldelete: async () => (await import('./commands/bppldelete.ts')).bppldelete,
  bpplinfo: async () => (await import('./commands/bpplinfo.ts')).bpplinfo,
  bppllist: async () => (await import('./commands/bppllist.ts')).bppllist,
  bpplclients: async () => (await import('./commands/bpplclients.ts')).bpplclients,
  bpplinclude: async () => (await import('./commands/bpplinclude.ts')).bpplinclude,
  bpplsched: async () => (await import('./commands/bpplsched.ts')).bpplsched,
  bpplschedrep: async () => (await import('./commands/bpplschedrep.ts')).bpplschedrep,
  nbpemreq: async () => (await import('./commands/nbpemreq.ts')).nbpemreq,
  nbkmsutil: async () => (await import('./commands/nbkmsutil.ts')).nbkmsutil,
  nbrbutil: async () => (await import('./commands/nbrbutil.ts')).nbrbutil,
  vtl: async () => (await import('./commands/vtl.ts')).vtl,
};

export const COMMAND_NAMES: readonly string[] = Object.keys(COMMANDS);

export async function findCommand(name: string): Promise<Command | undefined> {
  return Object.hasOwn(COMMANDS, name) ? await COMMANDS[name]?.() : undefined;
}
