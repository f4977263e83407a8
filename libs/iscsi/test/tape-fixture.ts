// An emulated drive behind scripted targets on loopback, and sessions to it.

import type { Drive, DriveOwner } from '@tapestry/storage';
import { openTapeDrive } from '../src/device/tape-drive.ts';
import { IscsiSession, type SessionOptions } from '../src/net/iscsi-session.ts';
import { makeIsid } from '../src/net/isid.ts';
import { EmulatedTape, type EmulatedTapeOptions } from './emulated-tape.ts';
import type { TargetScript } from './scripted-target.ts';
import { startTargets, type TargetServer } from './target-server.ts';

export interface TapeFixture {
  readonly tape: EmulatedTape;
  readonly server: TargetServer;
  /** `host`: whose session it is; the same host takes its own session over. Default: the epoch's own. */
  open(owner: DriveOwner, host?: string): Promise<Drive>;
  dispose(): Promise<void>;
}

export async function startTape(
  options: EmulatedTapeOptions = {},
  script: TargetScript = {},
  session: Partial<SessionOptions> = {},
): Promise<TapeFixture> {
  const tape = new EmulatedTape(options);
  const server = await startTargets(() => {
    let nexus = '';
    return {
      keys: { MaxRecvDataSegmentLength: '262144' },
      ...script,
      onPdu: (header, data, target) => {
        if (nexus === '') {
          nexus = header.toString('hex', 8, 14);
          tape.connect(nexus);
        }
        return script.onPdu?.(header, data, target) ?? false;
      },
      device: (command) => tape.execute(command, nexus),
    };
  });
  const closers: (() => Promise<void>)[] = [];
  return {
    tape,
    server,
    open: async (owner, host = `host-${owner.epoch}`) => {
      const opened = new IscsiSession(server.session({ isid: makeIsid(host), ...session }));
      const onClose = (): Promise<void> => opened.close();
      closers.push(onClose);
      return openTapeDrive({ transport: opened.device(0), owner, onClose });
    },
    dispose: async () => {
      for (const close of closers) await close();
      await server.stop();
    },
  };
}
