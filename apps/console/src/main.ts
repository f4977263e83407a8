// The console: the Activity Monitor and its API, on the HTTP port that every daemon has.

import { runDaemon } from '@tapestry/runtime';
import { definition } from './service.ts';

await runDaemon(definition);
