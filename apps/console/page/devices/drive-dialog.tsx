// Asks before a drive is set up or down: what that means, and the command that does the same.

import { Button, Modal } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { api, type Drive, unwrap } from '../api.ts';
import { ProblemBox } from '../parts/notices.tsx';

export interface DriveDialogProps {
  readonly drive: Drive;
  readonly up: boolean;
  readonly opened: boolean;
  readonly onClose: () => void;
}

export function DriveDialog({ drive, up, opened, onClose }: DriveDialogProps): ReactNode {
  const queries = useQueryClient();
  const { name } = drive;
  const change = useMutation({
    mutationFn: () =>
      unwrap(
        api.POST('/api/drives/{drive}/state', { params: { path: { drive: name } }, body: { up } }),
      ),
    onSuccess: () => {
      onClose();
      return queries.invalidateQueries({ queryKey: ['devices'] });
    },
  });
  const word = up ? 'up' : 'down';
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={`Set ${name} ${word}?`}
      closeButtonProps={{ 'aria-label': 'Close' }}
      centered
      lockScroll={false}
    >
      <div className="dialog">
        <p>{meaningOf(drive, up)}</p>
        <p className="dim">The same on a command line:</p>
        <code className="command">{`vmoprcmd -${word}byname ${name}`}</code>
        {change.error === null ? null : <ProblemBox problem={change.error} />}
        <div className="dialog-end">
          <Button variant="default" onClick={onClose} data-autofocus>
            Leave it
          </Button>
          <Button loading={change.isPending} onClick={() => change.mutate()}>
            Set it {word}
          </Button>
        </div>
      </div>
    </Modal>
  );
}

function meaningOf({ jobId }: Drive, up: boolean): string {
  if (up) return 'Jobs that wait for a drive may get it at once.';
  const none = 'No job gets it until somebody sets it up again.';
  return jobId === null ? none : `${none} Job ${jobId}, which has it now, goes on to its end.`;
}
