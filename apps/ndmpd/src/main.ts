// ndmpd: flags to server, one ready line, an orderly end on SIGTERM and SIGINT.

import { asStatusError, exitCode } from '@tapestry/status';
import { openTapeLibrary } from './adapters/tape-library.ts';
import { parseConfig, USAGE } from './config.ts';
import { NdmpServer } from './server.ts';

async function main(): Promise<void> {
  const config = parseConfig(process.argv.slice(2));
  if (config === 'help') {
    console.log(USAGE);
    return;
  }
  const library = config.library === undefined ? undefined : await openTapeLibrary(config.library);
  const server = new NdmpServer(config, library);
  const address = await server.listen();
  let isClosing = false;
  const close = (): void => {
    if (isClosing) return;
    isClosing = true;
    void server.close().then(() => process.exit(0));
  };
  process.on('SIGTERM', close);
  process.on('SIGINT', close);
  console.log(JSON.stringify({ ready: true, address }));
}

main().catch((cause: unknown) => {
  const error = asStatusError(cause);
  console.error(error.message);
  process.exitCode = exitCode(error.status);
});
