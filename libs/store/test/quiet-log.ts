import type { StoreLog } from '../src/index.ts';

export const quietLog: StoreLog = { info: () => {}, warn: () => {}, error: () => {} };
