export { mayLive, ownIdentity, type ProcessIdentity } from './process-identity.ts';
export { isAlive, markOf, ownMark, type ProcessMark, stillLives } from './process-mark.ts';
export { type ProcessStat, parseStat, readStat } from './process-stat.ts';
