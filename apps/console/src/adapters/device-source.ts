// Asks nbemm and nbrb for devices, volumes and the broker's queue, all at once. One that does not answer costs its
// part of the answer and a sentence.

import type { Bus } from '@tapestry/bus';
import { asStatusError, STATUS } from '@tapestry/status';
import type { DeviceFacts } from '../core/device-view.ts';

export async function readDevices(bus: Bus): Promise<DeviceFacts> {
  const nbemm = bus.client('nbemm');
  const problems: string[] = [];
  const ask = async <T>(what: string, call: Promise<T>): Promise<T | null> => {
    try {
      return await call;
    } catch (error) {
      const failure = asStatusError(error);
      const { text } = STATUS[failure.status];
      problems.push(`${what}: ${failure.detail || text} (status ${failure.code})`);
      return null;
    }
  };
  const [devices, volumes, broker] = await Promise.all([
    ask('The drives are not known now', nbemm.GetDevices({})),
    ask('The volumes are not known now', nbemm.ListVolumes({})),
    ask('The broker’s queue is not known now', bus.client('nbrb').Dump({})),
  ]);
  return { devices, volumes, broker, problems };
}
