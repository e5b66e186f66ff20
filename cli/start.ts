/** Starts the command with what Node compiled the last time, which takes half the time. */
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

try {
  // A folder of this user: Node's own default lies in the shared temporary folder, where another user could
  // put code.
  const caches = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  enableCompileCache(process.env.NODE_COMPILE_CACHE || join(caches, 'countersign'));
} catch {
  // A user without a home folder waits a little longer.
}
// After that, so that the cache has it, too.
await import('./main.ts');
