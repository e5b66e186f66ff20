/** Asks a person to type a word before something is done. */
import { createInterface } from 'node:readline/promises';
import { CliError, EXIT, type Io } from './io.ts';

/**
 * @param word the word to type
 * @param otherwise the error's message, such as `nothing was done`
 * @throws CliError where anything else is typed, or Ctrl-C is pressed
 */
export async function confirm(io: Io, word: string, otherwise: string): Promise<void> {
  // No output stream: the terminal itself echoes the input.
  const terminal = createInterface({ input: io.stdin });
  const interrupted = new AbortController();
  const disarm = io.onInterrupt(() => interrupted.abort());
  terminal.once('close', () => interrupted.abort());
  io.stderr.write(`Type ${word} to confirm: `);
  const answer = await terminal
    .question('', { signal: interrupted.signal })
    .catch(() => undefined)
    .finally(disarm);
  terminal.close();
  if (answer?.trim() !== word) throw new CliError(EXIT.failed, otherwise);
}
