/** Where a Region runs: in this process, or in one of its own. Either can be killed, and started again. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { LogEntry } from '../lambda/contract/log-entry.ts';
import { functionName, functionsOf } from '../lambda/contract/names.ts';
import type { Log } from '../lambda/log.ts';
import type { LambdaContext, LambdaHandler } from './aws/lambda.ts';
import { createRegion, type LocalRegionSettings, type Region } from './region.ts';
import { type LocalServer, PortInUse, startServer } from './server.ts';
import { STAGE } from './stage.ts';

export interface RegionHost {
  readonly name: string;
  /** Base URL. */
  readonly url: string;
  /** The Region's functions by full name. They run where the Region runs. */
  readonly functions: ReadonlyMap<string, LambdaHandler>;
  /** From now on the Region answers; a killed one, once it is started. */
  serve(settings: LocalRegionSettings, nowMs: () => number, log: Log): Promise<void>;
  /**
   * Ends the Region at once: nobody can connect, and connections break. Functions that run in this process
   * stay.
   */
  kill(): Promise<void>;
  /** Starts a killed Region again, on its port and with empty memory. @throws PortInUse */
  start(): Promise<void>;
}

export interface HostOptions {
  readonly name: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Ports of every server of the platform. */
  readonly siblings: Set<number>;
  readonly origins: readonly string[];
}

/** Opens the port of a Region in this process. @throws PortInUse */
export async function openHere({ name, port, siblings, origins }: HostOptions): Promise<RegionHost> {
  let server: LocalServer | undefined = await startServer(port, siblings, origins, `the Region ${name}`);
  const { port: taken, url } = server;
  let make: (() => Region) | undefined;
  let region: Region | undefined;
  const run = () => {
    region = make?.();
    if (region) server?.serve(region.gateway);
  };
  return {
    name,
    url,
    functions: forwarders((each, event, context) => {
      const handler = region?.functions.get(each);
      if (!handler) throw gone(name);
      return handler(event, context);
    }),
    async serve(settings, nowMs, log) {
      const now = () => nowMs() + settings.clockErrorMs;
      make = () => createRegion(name, url, settings, { nowMs: now, log });
      run();
    },
    async kill() {
      region?.aws.destroy();
      await server?.stop();
      server = undefined;
    },
    async start() {
      if (server) return;
      server = await startServer(taken, siblings, origins, `the Region ${name}`);
      run();
    },
  };
}

/** To a Region's process. The first message is `listen`. */
export type ToRegion =
  | { readonly kind: 'listen'; readonly port: number; readonly origins: readonly string[] }
  | {
      readonly kind: 'serve';
      readonly name: string;
      readonly settings: LocalRegionSettings;
      readonly siblings: readonly number[];
    }
  | {
      readonly kind: 'invoke';
      readonly id: number;
      readonly function: string;
      readonly event: unknown;
      readonly context: LambdaContext;
    };

/** From a Region's process. */
export type FromRegion =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'port-in-use' }
  | { readonly kind: 'serving' }
  | { readonly kind: 'log'; readonly entry: LogEntry }
  | { readonly kind: 'result'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly name: string; readonly message: string };

/**
 * Starts a Region's process, which opens its port. It ends with this process, however that ends. @throws
 * PortInUse
 */
export async function openProcess({ name, port, siblings, origins }: HostOptions): Promise<RegionHost> {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let calls = 0;
  let log: Log = () => {};
  let settings: LocalRegionSettings | undefined;
  let child: ChildProcess | undefined;

  /** @returns the port that it listens on */
  async function spawn(wanted: number): Promise<number> {
    const file = fileURLToPath(new URL('./region-process.ts', import.meta.url));
    const spawned = fork(file, { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    child = spawned;
    spawned.on('message', (message: FromRegion) => {
      if (message.kind === 'log') log(message.entry);
      if (message.kind !== 'result' && message.kind !== 'failure') return;
      const call = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.kind === 'result') call?.resolve(message.result);
      else call?.reject(Object.assign(new Error(message.message), { name: message.name }));
    });
    spawned.once('exit', () => {
      for (const call of waiting.values()) call.reject(gone(name));
      waiting.clear();
    });
    const answer = await ask(spawned, { kind: 'listen', port: wanted, origins });
    if (answer.kind === 'listening') return answer.port;
    await end();
    throw new PortInUse(wanted, `the Region ${name}`, undefined);
  }

  async function serve(): Promise<void> {
    if (settings && child) await ask(child, { kind: 'serve', name, settings, siblings: [...siblings] });
  }

  async function end(): Promise<void> {
    const ending = child;
    child = undefined;
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return;
    const exited = once(ending, 'exit');
    ending.kill('SIGKILL');
    await exited;
  }

  const taken = await spawn(port);
  siblings.add(taken);
  return {
    name,
    url: `http://127.0.0.1:${taken}`,
    functions: forwarders((each, event, context) => {
      if (!child?.connected) throw gone(name);
      const id = calls++;
      const call = Promise.withResolvers<unknown>();
      waiting.set(id, call);
      child.send({ kind: 'invoke', id, function: each, event, context } satisfies ToRegion);
      return call.promise;
    }),
    async serve(given, _, sink) {
      settings = given;
      log = sink;
      await serve();
    },
    kill: end,
    async start() {
      if (child) return;
      await spawn(taken);
      await serve();
    },
  };
}

/** @returns the answer to `listen` or `serve` @throws Error where the process ends before it */
function ask(child: ChildProcess, message: ToRegion): Promise<FromRegion> {
  const { promise, resolve, reject } = Promise.withResolvers<FromRegion>();
  const onMessage = (answer: FromRegion) => {
    if (['listening', 'port-in-use', 'serving'].includes(answer.kind)) resolve(answer);
  };
  const onExit = () => reject(new Error("a Region's process ended before it was ready"));
  child.on('message', onMessage).once('exit', onExit).once('error', reject);
  child.send(message);
  return promise.finally(() => {
    child.off('message', onMessage).off('exit', onExit).off('error', reject);
  });
}

const gone = (region: string): Error => new Error(`Region ${region} does not run`);

function forwarders(
  invoke: (name: string, event: unknown, context: LambdaContext) => Promise<unknown>,
): ReadonlyMap<string, LambdaHandler> {
  return new Map(
    functionsOf(true).map((each): [string, LambdaHandler] => {
      const name = functionName(STAGE, each);
      return [name, async (event, context) => invoke(name, event, context)];
    }),
  );
}
