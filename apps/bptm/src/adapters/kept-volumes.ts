// Which volumes hold images that have not expired, as nbemm says: no label is ever written over one of those.

import type { Client } from '@tapestry/bus';
import { untilAnswered } from '@tapestry/runtime/until-answered';
import { StatusError } from '@tapestry/status';

/** All of them. Error: 168 when the volume to be labelled is one. */
export async function keptVolumes(
  nbemm: Client<'nbemm'>,
  mediaId: string,
  signal: AbortSignal,
): Promise<string[]> {
  const kept: string[] = [];
  for (let afterMediaId = ''; ; ) {
    const from = { assignedOnly: true, afterMediaId };
    const page = await untilAnswered((call) => nbemm.ListVolumes(from, { signal: call }), {
      signal,
    });
    kept.push(...page.volumes.map(({ volume }) => volume?.mediaId ?? ''));
    const last = kept.at(-1);
    if (!page.more || last === undefined) break;
    afterMediaId = last;
  }
  if (!kept.includes(mediaId)) return kept;
  const detail = `${mediaId} holds images that have not expired: no label is written over them`;
  throw new StatusError('cannotOverwriteMedia', detail);
}
