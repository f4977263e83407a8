// nbkms: which key writes, which may still read? With -createemptydb: makes an empty key store, and ends.

import { runDaemon } from '@tapestry/runtime';
import { CREATE_FLAG, runCreate } from './create.ts';
import { nbkms } from './daemon.ts';

const [first, ...rest] = process.argv.slice(2);
if (first === CREATE_FLAG) process.exitCode = await runCreate(rest, process.env);
else await runDaemon(nbkms);
