/** Notices when the process should stop: on a signal, or when its launcher ends. */

/**
 * Call this first, so that an early Ctrl-C also stops the program in order. A second Ctrl-C changes nothing.
 *
 * @returns a signal that aborts on SIGINT, SIGTERM, SIGHUP, or the end of the launcher
 */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  const end = () => controller.abort();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, end);
  // The IPC channel to local/bootstrap.mjs closes when the launcher ends, even by SIGKILL. Without a launcher
  // there is none.
  process.on('disconnect', end);
  if (process.connected === false) end();
  return controller.signal;
}
