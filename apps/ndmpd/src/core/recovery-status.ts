// What LOG_FILE says about a failed call, and a recovery's order of offsets.

import { RECOVERY_STATUS } from '@tapestry/ndmp';

/** RECOVERY_STATUS of an errno name. */
export function recoveryStatusOf(code: string): number {
  switch (code) {
    case 'EPERM':
    case 'EACCES':
    case 'EROFS':
      return RECOVERY_STATUS.failedPermission;
    case 'ENOENT':
      return RECOVERY_STATUS.failedNotFound;
    case 'ENOTDIR':
    case 'ELOOP':
      return RECOVERY_STATUS.failedNoDirectory;
    case 'ENOMEM':
      return RECOVERY_STATUS.failedOutOfMemory;
    case 'EIO':
    case 'ENOSPC':
    case 'EDQUOT':
      return RECOVERY_STATUS.failedIoError;
    case 'EEXIST':
    case 'EISDIR':
    case 'ENOTEMPTY':
      return RECOVERY_STATUS.failedPathExists;
    default:
      return RECOVERY_STATUS.failedUndefined;
  }
}

const GAP_BYTES_MAX = 256 * 1024;
const RUN_BYTES_MAX = 8 * 1024 * 1024;

/**
 * How far one request may reach when wanted offsets lie close together: the last of those that follow
 * `index` without a large gap.
 */
export function runEnd(offsets: readonly number[], index: number): number {
  const start = offsets[index] ?? 0;
  let end = start;
  for (let i = index + 1; i < offsets.length; i += 1) {
    const next = offsets[i] as number;
    if (next - end > GAP_BYTES_MAX || next - start > RUN_BYTES_MAX) break;
    end = next;
  }
  return end;
}
