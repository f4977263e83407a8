// Exit status 0 when something listens on the port of this container that is named as argument.

import { connect } from 'node:net';

const socket = connect({ host: '127.0.0.1', port: Number(process.argv[2]), timeout: 3_000 });
socket.once('connect', () => process.exit(0));
socket.once('timeout', () => process.exit(1));
socket.once('error', (error) => {
  process.stdout.write(`${error.message}\n`);
  process.exit(1);
});
