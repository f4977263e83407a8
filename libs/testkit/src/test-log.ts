// A log for tests: silent unless something is wrong enough to be looked at.

import { makeLog } from '@tapestry/runtime';

export const testLog = makeLog('test', undefined, process.env.TEST_LOG_LEVEL ?? 'silent');
