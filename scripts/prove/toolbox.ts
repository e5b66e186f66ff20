/** The tools of a run: child processes of the product's commands, each with its line in the log. */
import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CloudFormationClient, paginateDescribeStacks } from '@aws-sdk/client-cloudformation';
import { WATCH_REGION } from '../../lambda/contract/forms.ts';
import { namePrefix } from '../../lambda/contract/names.ts';
import { CountersignClient } from '../../sdk/typescript/index.ts';
import type { Place, Ran, Tools } from './tools.ts';

const COUNTERSIGN = fileURLToPath(new URL('../../cli/countersign.mjs', import.meta.url));
const POLL_MS = 5_000;
/** The client of a run is of no use to anybody after it. */
const CLIENT_LIFE_MS = 24 * 3600 * 1000;

export interface Notes {
  readonly values: ReadonlyMap<string, string>;
  set(name: string, text: string): void;
}

export function toolbox(
  place: Place,
  notes: Notes,
  { say, signal }: { say(line: string): void; readonly signal: AbortSignal },
): Tools {
  const { stage, regions } = place;
  const names = regions.map(({ name }) => name);
  const target = ['--stage', stage, '--region', names.join(',')];
  const run = async (command: string, args: readonly string[], shown: string, codes: readonly number[]) => {
    say(`     $ ${shown}`);
    const ran = await runCommand(command, args, place, signal);
    if (codes.includes(ran.code)) return ran;
    throw new Error(`${shown}: exit code ${ran.code}: ${lastLines(ran.messages)}`);
  };
  const project = (args: readonly string[], codes: readonly number[] = [0]) =>
    run(process.execPath, [COUNTERSIGN, ...args, '--json'], `countersign ${args.join(' ')}`, codes);
  const countersign = (args: readonly string[], codes?: readonly number[]) =>
    project([...args, ...target], codes);

  let client: Promise<{ readonly client_id: string; readonly api_key: string }> | undefined;
  /** Made when it is first needed: a run that only destroys needs none. */
  const runsClient = () => {
    client ??= (async () => {
      const name = `prove-${Date.now().toString(36)}`;
      const expires = new Date(Date.now() + CLIENT_LIFE_MS).toISOString();
      const { json } = await countersign(['clients', 'create', name, '--expires-at', expires]);
      await place.replicate();
      return json;
    })();
    return client;
  };

  return {
    ...{ stage, regions, vaultSetup: place.vaultSetup },
    ...(place.entry !== undefined && { entry: place.entry }),
    ...(place.fisRole !== undefined && { fisRole: place.fisRole }),
    home: names[0]!,
    away: names.at(-1)!,
    bootstrap: place.bootstrap,
    deploy(changes) {
      say(`     deploys${changes === undefined ? '' : `, with ${JSON.stringify(changes)}`}`);
      return place.deploy(changes);
    },
    destroy: place.destroy,
    replicate: place.replicate,
    countersign,
    project,

    async client(region, sent = () => {}) {
      const { api_key: apiKey } = await runsClient();
      const { url } = regions.find(({ name }) => name === region)!;
      return new CountersignClient({
        ...{ url, apiKey, regions: regions.map((each) => each.url) },
        fetch: async (input, init) => {
          const request = new Request(input, init);
          // Another Region's answer would say nothing of this one.
          if (!request.url.startsWith(`${url}/`)) throw new TypeError('another Region');
          if (request.method === 'POST') sent(request.clone());
          return fetch(request);
        },
      });
    },

    async awsCommand(region, args) {
      const shown = `aws ${args.join(' ')}`;
      const { json } = await run('aws', [...args, '--region', region, '--output', 'json'], shown, [0]);
      return json;
    },

    async stacks(prefix = namePrefix(stage)) {
      const found: string[] = [];
      for (const region of new Set([...names, WATCH_REGION])) {
        const options = { client: new CloudFormationClient(place.aws(region)) };
        for await (const { Stacks = [] } of paginateDescribeStacks(options, {}))
          found.push(...Stacks.map(({ StackName }) => StackName!));
        options.client.destroy();
      }
      return found.filter((name) => name.startsWith(prefix));
    },

    remember: (name, text) => notes.set(name, text),
    recall: (name) => notes.values.get(name),

    async until(what, seconds, look) {
      say(`     waiting for ${what}, up to ${seconds} s`);
      const end = Date.now() + seconds * 1000;
      for (;;) {
        await place.replicate();
        // A look may fail while what it waits for is under way.
        if (await look().catch(() => false)) return true;
        if (Date.now() > end || signal.aborted) return false;
        await delay(POLL_MS, undefined, { signal }).catch(() => {});
      }
    },

    async deleteClient() {
      const made = await client?.catch(() => undefined);
      client = undefined;
      if (made !== undefined)
        await countersign(['clients', 'delete', made.client_id]).catch((error: Error) =>
          say(`     ${made.client_id} was not deleted, and expires within a day: ${error.message}`),
        );
    },
  };
}

/** Runs a command to its end. Its document and its messages are kept, and neither is shown. */
export async function runCommand(
  command: string,
  args: readonly string[],
  { directory, env }: Pick<Place, 'directory' | 'env'>,
  signal?: AbortSignal,
): Promise<Ran & { readonly messages: string }> {
  // Ctrl-C reaches every process of a group, and this one passes it on: in a group of its own the command
  // gets it once. A second one would end the command at once.
  const child = spawn(command, args, {
    ...{ cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'], detached: process.platform !== 'win32' },
  });
  const pass = () => void child.kill('SIGINT');
  signal?.addEventListener('abort', pass);
  let output = '';
  let messages = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    messages += text;
  });
  const ended = Promise.withResolvers<number>();
  child.on('error', ended.reject);
  child.on('close', (code) => ended.resolve(code ?? 130));
  const code = await ended.promise.finally(() => signal?.removeEventListener('abort', pass));
  return { code, json: parsed(output), messages };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The end of what a command said, in one line. */
const lastLines = (text: string): string => text.trim().split('\n').slice(-5).join(' | ');
