// What vmchange does with volumes that leave their robot: into import/export slots, from where a person takes them.

import { fromWire } from '@tapestry/status';
import type { Context } from './command.ts';

/** The status of the first that could not be moved; the others have gone. */
export async function ejectVolumes(context: Context, mediaIds: readonly string[]): Promise<number> {
  const { media } = await (await context.client('nbemm')).EjectMedia({ mediaIds: [...mediaIds] });
  for (const { mediaId, moved } of media) {
    if (moved?.failure) continue;
    const to = moved?.to?.number;
    const where = to === undefined ? 'its import/export slot already' : `import/export slot ${to}`;
    context.out(`${mediaId} is in ${where}\n`);
  }
  const [first] = media.flatMap(({ mediaId, moved }) =>
    moved?.failure ? [{ mediaId, failure: moved.failure }] : [],
  );
  if (first === undefined) return 0;
  throw fromWire({ ...first.failure, detail: `${first.mediaId}: ${first.failure.detail}` });
}
