/**
 * Files that hold personal data, or progress: only the owner can read them, and no link can redirect a write.
 */
import { closeSync, constants, fchmodSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { CliError, EXIT } from '../io.ts';

// Windows has neither flag. Without O_NONBLOCK, opening a named pipe waits for a reader.
const { O_CREAT, O_RDWR, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

/**
 * Opens a file for reading and writing, and sets its mode to 0600.
 *
 * @param create whether a missing file is created
 * @returns undefined where the file does not exist
 * @throws CliError where the path is a symbolic link, not a regular file, another user's file, or has a
 * second name (a hard link)
 */
export function openPrivate(path: string, create: boolean): number | undefined {
  let file: number;
  try {
    file = openSync(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | (create ? O_CREAT : 0), 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !create) return undefined;
    throw refused(path, code === 'ELOOP' ? 'it is a symbolic link' : code!);
  }
  try {
    const stat = fstatSync(file);
    const isOwn = process.getuid === undefined || stat.uid === process.getuid();
    if (!stat.isFile()) throw refused(path, 'it is not a regular file');
    if (!isOwn) throw refused(path, 'it belongs to another user, who could read it');
    if (stat.nlink > 1) throw refused(path, 'it has a second name (a hard link)');
    if ((stat.mode & 0o777) !== 0o600) fchmodSync(file, 0o600);
    return file;
  } catch (error) {
    closeSync(file);
    throw error instanceof CliError ? error : refused(path, (error as NodeJS.ErrnoException).code!);
  }
}

/** @returns undefined where the file does not exist @throws as `openPrivate` does */
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
  new CliError(EXIT.failed, `cannot write ${path}: ${why}; choose another place with --failures`);
