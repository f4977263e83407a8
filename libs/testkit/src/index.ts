export { startTestPostgres } from './postgres.ts';
