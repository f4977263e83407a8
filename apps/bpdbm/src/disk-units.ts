// The disk storage units of the site, and the media server that has each.

import { hostToken } from '@tapestry/contracts';
import type { Parts } from './parts.ts';

export type Units = ReadonlyMap<string, { readonly host: string }>;

export async function diskUnits({ nbemm }: Pick<Parts, 'nbemm'>): Promise<Units> {
  const { units } = await nbemm.ListStorageUnits({});
  return new Map(
    units
      .filter(({ type }) => type === 'Disk')
      .map(({ label, mediaServer }) => [label, { host: hostToken(mediaServer) }]),
  );
}
