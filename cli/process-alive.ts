/** Whether a process of this machine runs. Its id may be another process's by now: ids are reused. */
export function isProcessAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Another user's process is alive, although this one may not signal it.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
