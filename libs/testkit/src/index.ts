export { eventually } from './eventually.ts';
export { type FakeService, fakeService, type RecordedCall } from './fake-service.ts';
export { startTestNats, type TestNats } from './nats-server.ts';
export { startTestPostgres, type TestPostgres } from './postgres.ts';
export { allIdentities, startTestBus, type TestBus, type TestBusOptions } from './test-bus.ts';
export { startTestDaemon, type TestDaemonOptions } from './test-daemon.ts';
export { testLog } from './test-log.ts';
