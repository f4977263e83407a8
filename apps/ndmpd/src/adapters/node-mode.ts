// What mknod wants for a FIFO or a device, in Linux's encoding.

import type { Member } from '../core/tar-encode.ts';

const TYPE_BITS = { fifo: 0o010000, char: 0o020000, block: 0o060000 } as const;

export function nodeMode(member: Member): { mode: number; dev: bigint } {
  const bits = member.type in TYPE_BITS ? TYPE_BITS[member.type as keyof typeof TYPE_BITS] : 0;
  const major = BigInt(member.deviceMajor ?? 0);
  const minor = BigInt(member.deviceMinor ?? 0);
  const low = (minor & 0xffn) | ((major & 0xfffn) << 8n);
  const high = ((minor & 0xffffff00n) << 12n) | ((major & 0xfffff000n) << 32n);
  return { mode: bits | member.mode, dev: member.type === 'fifo' ? 0n : low | high };
}
