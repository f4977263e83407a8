// nbkms: which key writes, which may still read? With one of its options: works on the files of the store, and ends.

import { runDaemon } from '@tapestry/runtime';
import { nbkms } from './daemon.ts';
import { isOfflineCommand, runOffline } from './offline.ts';

const [first, ...rest] = process.argv.slice(2);
if (isOfflineCommand(first)) process.exitCode = await runOffline(first, rest, process.env);
else await runDaemon(nbkms);
