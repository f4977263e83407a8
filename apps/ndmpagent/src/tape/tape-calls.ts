// The operations of a drive as they come over the bus, one call each.

import type { TapeCallReply, TapeCallRequest } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { Drive, SpaceResult, WriteResult } from '@tapestry/storage';

/** More than this never goes over the bus: backup data reaches a tape by its host's mover. */
const BLOCK_MAX_BYTES = 65_536;

export const EMPTY_REPLY: TapeCallReply = {
  ...{ loaded: false, writeProtected: false, kind: '', block: new Uint8Array(0), length: 0 },
  ...{ done: 0, earlyWarning: false, endOfMedium: false, stoppedAt: '' },
  ...{ fileNumber: 0, blockNumber: 0, addresses: [], tapeAlerts: [] },
};

/** Errors: those of the drive; 133 for what is no operation of a drive, or too much at once. */
export async function performOnDrive(
  drive: Drive,
  request: TapeCallRequest,
): Promise<TapeCallReply> {
  const { operation, count, fileNumber: file, blockNumber: block } = request;
  switch (operation) {
    case 'TAPE_OPERATION_LOAD_STATE': {
      const { loaded, writeProtected } = await drive.loadState();
      return { ...EMPTY_REPLY, loaded, writeProtected };
    }
    case 'TAPE_OPERATION_READ':
      return read(drive, count);
    case 'TAPE_OPERATION_WRITE':
      if (request.block.length > BLOCK_MAX_BYTES) throw tooLong(request.block.length);
      return written(await drive.writeBlocks([{ parts: [request.block] }]));
    case 'TAPE_OPERATION_FILEMARKS':
      return written(await drive.writeFilemarks(count, 'sync'));
    case 'TAPE_OPERATION_LOCATE':
      await drive.locate({ file, block });
      return EMPTY_REPLY;
    case 'TAPE_OPERATION_SPACE_FILEMARKS':
      return spaced(await drive.spaceFilemarks(count));
    case 'TAPE_OPERATION_SPACE_BLOCKS':
      return spaced(await drive.spaceBlocks(count));
    case 'TAPE_OPERATION_POSITION': {
      const { file: fileNumber, block: blockNumber } = await drive.position();
      return { ...EMPTY_REPLY, fileNumber, blockNumber };
    }
    case 'TAPE_OPERATION_REWIND':
      await drive.rewind();
      return EMPTY_REPLY;
    case 'TAPE_OPERATION_TAPE_ALERTS':
      return { ...EMPTY_REPLY, tapeAlerts: [...((await drive.tapeAlerts?.()) ?? [])] };
    default:
      throw new StatusError('invalidRequest', `${operation} is nothing that a drive does`);
  }
}

async function read(drive: Drive, bytesMax: number): Promise<TapeCallReply> {
  if (bytesMax < 0 || bytesMax > BLOCK_MAX_BYTES) throw tooLong(bytesMax);
  const into = Buffer.alloc(bytesMax);
  const result = await drive.readBlock(into);
  if (result.kind === 'filemark' || result.kind === 'endOfData') {
    return { ...EMPTY_REPLY, kind: result.kind };
  }
  const { kind, lengthBytes: length } = result;
  return { ...EMPTY_REPLY, kind, length, block: into.subarray(0, Math.min(length, bytesMax)) };
}

function written({ written: done, earlyWarning, endOfMedium }: WriteResult): TapeCallReply {
  return { ...EMPTY_REPLY, done, earlyWarning, endOfMedium };
}

function spaced({ spaced: done, stoppedAt }: SpaceResult): TapeCallReply {
  return { ...EMPTY_REPLY, done, stoppedAt: stoppedAt ?? '' };
}

function tooLong(bytes: number): StatusError {
  return new StatusError('invalidRequest', `a block of ${bytes} bytes is not for the bus`);
}
