// The keys, on `?`.

import { Kbd, Modal } from '@mantine/core';
import type { ReactNode } from 'react';

const KEYS: readonly (readonly [readonly string[], string])[] = [
  [['/'], 'Search'],
  [['j', '↓'], 'Next job'],
  [['k', '↑'], 'Previous job'],
  [['Enter'], 'Open the job'],
  [['Esc'], 'Close the job, or leave the search'],
  [['Home', 'End'], 'Newest, oldest job loaded'],
  [['←', '→', '↑', '↓'], 'From place to place of a library'],
  [['?'], 'These keys'],
];

const SEARCHES: readonly (readonly [string, string])[] = [
  ['policy:nightly', 'jobs of one policy'],
  ['client:nas1', 'jobs of one client'],
  ['status:84', 'jobs that ended so'],
  ['type:restore', 'restores, or backup, label, erase'],
  ['vol/home', 'part of a path, name, volume or id'],
];

export function KeysDialog({
  opened,
  onClose,
}: {
  readonly opened: boolean;
  readonly onClose: () => void;
}): ReactNode {
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title="Keys and searches"
      closeButtonProps={{ 'aria-label': 'Close help' }}
      centered
      lockScroll={false}
    >
      <dl className="keys">
        {KEYS.map(([keys, what]) => (
          <div key={what}>
            <dt>
              {keys.map((key) => (
                <Kbd key={key}>{key}</Kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <h3 className="keys-title">In the search</h3>
      <dl className="keys">
        {SEARCHES.map(([search, what]) => (
          <div key={search}>
            <dt>
              <code>{search}</code>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}
