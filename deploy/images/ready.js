// Exit status 0 when the daemon of this container answers that it is ready: the health check of compose.

const port = process.env.TAPESTRY_HTTP_PORT;
try {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`, {
    signal: AbortSignal.timeout(3_000),
  });
  if (!answer.ok) process.stdout.write(`${await answer.text()}\n`);
  process.exit(answer.ok ? 0 : 1);
} catch (error) {
  process.stdout.write(`${error}\n`);
  process.exit(1);
}
