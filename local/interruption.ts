/** When to end: a signal, or the end of the launcher, which may be killed without a chance to pass anything on. */

/** Taken from the start, so that an early Ctrl-C also ends in order; a second one changes nothing. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  const end = () => controller.abort();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, end);
  // The channel to local/bootstrap.mjs closes with it. Without one, nothing of this happens.
  process.on('disconnect', end);
  if (process.connected === false) end();
  return controller.signal;
}
