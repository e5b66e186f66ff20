/**
 * Runs in the measuring process: starts a function's process as Lambda does, with nothing but its settings.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { servingEnvironment } from '../../lambda/contract/serving-environment.ts';
import type { PlatformInfo } from '../../local/platform.ts';
import { STAGE } from '../../local/stage.ts';
import { CORES, pinned } from '../machine.ts';
import type { Quota } from '../quota.ts';

export interface Cold {
  readonly url: string;
  readonly process: ChildProcess;
  /** Resolves when it has ended. */
  stop(): Promise<void>;
}

export interface ColdOptions {
  /** Its store is the local platform's AWS endpoint. */
  readonly info: PlatformInfo;
  /** @default a whole core */
  readonly quota?: Quota | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** @param args of Node @throws Error if it ends before it listens */
export async function startCold(args: readonly string[], { info, quota, env }: ColdOptions): Promise<Cold> {
  const { name, url } = info.regions[0]!;
  const [command, commandArgs] = pinned(CORES.server, args);
  const [first, rest] = quota?.wrap(command, commandArgs) ?? [command, commandArgs];
  const child = spawn(first, rest, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      AWS_ENDPOINT_URL: info.awsEndpoint,
      AWS_REGION: name,
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      POWERTOOLS_LOG_LEVEL: 'SILENT',
      ...servingEnvironment({
        stage: STAGE,
        region: name,
        baseUrl: url,
        entryUrl: info.entry,
        regions: [{ name, url }],
        consistency: 'strong',
      }),
      ...env,
    },
  });
  const exited = once(child, 'exit');
  const [port] = await Promise.race([once(child.stdout, 'data'), exited.then(() => [undefined])]);
  if (port === undefined) throw new Error(`${args.join(' ')} ended before it listened`);
  return {
    url: `http://127.0.0.1:${String(port).trim()}`,
    process: child,
    async stop() {
      child.kill();
      await exited;
    },
  };
}
