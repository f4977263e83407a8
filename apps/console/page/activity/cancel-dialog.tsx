// Asks before a job is ended: what is lost, and the command that does the same.

import { Button, Modal } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { api, type Job, unwrap } from '../api.ts';
import { ProblemBox } from '../parts/notices.tsx';
import { sizeWords } from '../words.ts';

export interface CancelDialogProps {
  readonly job: Job;
  readonly command: string;
  readonly opened: boolean;
  readonly onClose: () => void;
}

export function CancelDialog({ job, command, opened, onClose }: CancelDialogProps): ReactNode {
  const cancel = useMutation({
    mutationFn: () =>
      unwrap(api.POST('/api/jobs/{jobId}/cancel', { params: { path: { jobId: job.jobId } } })),
    onSuccess: onClose,
  });
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={`Cancel job ${job.jobId}?`}
      closeButtonProps={{ 'aria-label': 'Close' }}
      centered
      lockScroll={false}
    >
      <div className="dialog">
        <p>{lossWords(job)} The job ends with status 150.</p>
        <p className="dim">The same on a command line:</p>
        <code className="command">{command}</code>
        {cancel.error === null ? null : <ProblemBox problem={cancel.error} />}
        <div className="dialog-end">
          <Button variant="default" onClick={onClose} data-autofocus>
            Keep it running
          </Button>
          <Button color="red" loading={cancel.isPending} onClick={() => cancel.mutate()}>
            Cancel the job
          </Button>
        </div>
      </div>
    </Modal>
  );
}

function lossWords(job: Job): string {
  if (job.state !== 'active') return 'It has not begun: nothing is lost.';
  if (job.type === 'restore') {
    return `Files restored so far (${sizeWords(job.bytes)}) stay where they are; the one being written may be cut short.`;
  }
  return `The ${sizeWords(job.bytes)} of ${job.path || 'this backup'} written so far will not be restorable.`;
}
