/** Runs in the measuring process: starts another process and asks it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { pinned } from '../machine.ts';
import type { Answered } from './ask.ts';

export interface Child {
  ask<T>(name: string, param?: unknown): Promise<T>;
  stop(): Promise<void>;
}

/**
 * @param file in this file's directory
 * @param core undefined for any
 * @throws Error if the process ends before it is ready
 */
export async function startChild(file: string, core: number | undefined): Promise<Child> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const [command, args] = pinned(core, ['--expose-gc', path]);
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const exited = once(child, 'exit');
  const first = await Promise.race([once(child, 'message'), exited]);
  if (first[0] !== 'ready') throw new Error(`${file} ended before it was ready`);

  const waiting = new Map<number, (answer: Answered) => void>();
  child.on('message', (answer: Answered) => waiting.get(answer.id)?.(answer));
  child.on('exit', (code) => {
    const error = `${file} ended with ${code}`;
    for (const [id, settle] of waiting) settle({ id, error });
  });
  let asked = 0;
  return {
    ask: <T>(name: string, param?: unknown) =>
      new Promise<T>((resolve, reject) => {
        const id = ++asked;
        waiting.set(id, (answer) => {
          waiting.delete(id);
          if ('error' in answer) reject(new Error(`${file}: ${name}: ${answer.error}`));
          else resolve(answer.value as T);
        });
        child.send({ id, name, param });
      }),
    async stop() {
      child.disconnect();
      await exited;
    },
  };
}
