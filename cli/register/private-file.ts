/** Files with personal data, or about them: only their owner can read them, and no link leads a write elsewhere. */
import { closeSync, constants, fchmodSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { CliError, EXIT } from '../io.ts';

// Windows has neither. Without O_NONBLOCK, opening a named pipe waits for somebody to read it.
const { O_CREAT, O_RDWR, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

/**
 * Opens a file for reading and writing, with mode 0600 whatever it had before.
 *
 * @param create whether it is made where there is none
 * @returns undefined where there is none
 * @throws CliError where the path is a symbolic link, no regular file, another user's file, or has a second name (a hard link)
 */
export function openPrivate(path: string, create: boolean): number | undefined {
  let file: number;
  try {
    file = openSync(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | (create ? O_CREAT : 0), 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !create) return undefined;
    throw refused(path, code === 'ELOOP' ? 'it is a symbolic link, which is not followed' : code!);
  }
  try {
    const stat = fstatSync(file);
    const isOwn = process.getuid === undefined || stat.uid === process.getuid();
    if (!stat.isFile()) throw refused(path, 'it is no regular file');
    if (!isOwn) throw refused(path, 'it belongs to another user, who could read it');
    if (stat.nlink > 1) throw refused(path, 'the same file has another name, too (a hard link)');
    if ((stat.mode & 0o777) !== 0o600) fchmodSync(file, 0o600);
    return file;
  } catch (error) {
    closeSync(file);
    throw error instanceof CliError ? error : refused(path, (error as NodeJS.ErrnoException).code!);
  }
}

/** @returns undefined where there is none @throws as `openPrivate` does */
export function readPrivate(path: string): string | undefined {
  const file = openPrivate(path, false);
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

const refused = (path: string, why: string): CliError =>
  new CliError(EXIT.failed, `cannot write ${path}: ${why}; --failures names another place`);
