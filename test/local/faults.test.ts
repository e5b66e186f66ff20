/**
 * Faults by the control endpoint, on Regions of this process and on Regions that are processes of their own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Platform, type PlatformInfo, startPlatform } from '../../local/platform.ts';
import { CountersignClient } from '../../sdk/typescript/index.ts';
import { send } from './http.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Sends a fault to the control endpoint. @returns status and answer */
async function cause(awsEndpoint: string, token: string, fault: object, more: string[] = []) {
  const headers = ['Authorization', `Bearer ${token}`, ...more];
  const { status, text } = await send(`${awsEndpoint}/faults`, {
    ...{ method: 'POST', headers, body: JSON.stringify(fault) },
  });
  return { status, answer: JSON.parse(text) };
}

interface Registers {
  readonly info: PlatformInfo;
}

/** @returns what a registration in this Region alone ends with: `registered`, or the error's code */
async function registers({ info }: Registers, region: number, user_id: string): Promise<string> {
  const { url } = info.regions[region]!;
  const only = (async (to: string, init: RequestInit) => {
    // Elsewhere it would be registered too: this is about the one Region.
    if (!to.startsWith(url)) return Response.json({ code: 'unavailable' }, { status: 503 });
    return fetch(to, init);
  }) as typeof fetch;
  await using client = new CountersignClient({
    ...{ url, apiKey: info.clients[0]!.api_key, maxRetries: 0, fetch: only },
  });
  return await client.register({ user_id }).then(
    () => 'registered',
    ({ code }) => code,
  );
}

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform({ port: 0 });
});
afterAll(() => platform.stop());

const here = (fault: object, more?: string[]) =>
  cause(platform.info.awsEndpoint, platform.controlToken, fault, more);
const healed = async (fault: object) => expect(await here(fault)).toEqual({ status: 200, answer: {} });
let users = 0;
const registersIn = (region: number) => registers(platform, region, `user-${users++}`);

test('without the token, from a foreign page, or with no fault that it knows, nothing happens', async () => {
  const fault = { kind: 'region', region: 'local-a', lost: true };
  expect((await cause(platform.info.awsEndpoint, 'guessed', fault)).status).toBe(401);
  const page = ['Origin', 'https://evil.example'];
  expect((await here(fault, page)).status).toBe(403);
  for (const wrong of [
    { kind: 'region', region: 'elsewhere', lost: true },
    { kind: 'region', region: 'local-a', lost: 'yes' },
    { kind: 'partition', alone: 'local-a' },
    { kind: 'throttle', region: 'local-a', rate: 2, delay_ms: 0 },
    { kind: 'tables', generation: 1, in_use: true },
    { kind: 'flood' },
  ])
    expect(await here(wrong)).toMatchObject({ status: 400, answer: { error: expect.any(String) } });
  expect(await registersIn(0)).toBe('registered');
});

test('a Region that is lost answers nobody and nothing of it can be read; it comes back with its data', async () => {
  await healed({ kind: 'region', region: 'local-a', lost: true });
  await expect(send(platform.info.regions[0]!.url)).rejects.toThrow(
    expect.objectContaining({ code: 'ECONNREFUSED' }),
  );
  expect(await registersIn(1)).toBe('registered');
  await healed({ kind: 'region', region: 'local-a', lost: false });
  expect(await registersIn(0)).toBe('registered');
});

test('a Region that reaches no other refuses to register in strong mode, and all do where the quorum is lost', async () => {
  await healed({ kind: 'partition', alone: ['local-a'] });
  expect([await registersIn(0), await registersIn(1)]).toEqual(['unavailable', 'registered']);
  await healed({ kind: 'partition', alone: ['local-a', 'local-b'] });
  expect([await registersIn(0), await registersIn(1)]).toEqual(['unavailable', 'unavailable']);
  await healed({ kind: 'partition', alone: [] });
  expect([await registersIn(0), await registersIn(1)]).toEqual(['registered', 'registered']);
});

test('a throttled table refuses, in its Region only', async () => {
  await healed({ kind: 'throttle', region: 'local-b', rate: 1, delay_ms: 1 });
  expect([await registersIn(0), await registersIn(1)]).toEqual(['registered', 'unavailable']);
  await healed({ kind: 'throttle', region: 'local-b', rate: 0, delay_ms: 0 });
  expect(await registersIn(1)).toBe('registered');
});

test('a Vault that is lost answers nobody', async () => {
  const ask = () => send(`${platform.info.vault}/v1/sys/health`).then(({ status }) => status);
  expect(await ask()).toBe(200);
  await healed({ kind: 'vault', lost: true });
  await expect(ask()).rejects.toThrow(expect.objectContaining({ code: 'ECONNRESET' }));
  await healed({ kind: 'vault', lost: false });
  expect(await ask()).toBe(200);
});

/** `npm start` with each Region in a process of its own. */
async function startProcesses(directory: string): Promise<{ child: ChildProcess; info: PlatformInfo }> {
  const flags = ['--port', '0', '--json', '--no-demo', '--region-processes'];
  const child = spawn(process.execPath, [join(root, 'local/main.ts'), ...flags], {
    ...{ cwd: directory, detached: true, stdio: ['ignore', 'pipe', 'ignore'] },
  });
  let text = '';
  for await (const chunk of child.stdout!.iterator({ destroyOnReturn: false })) {
    text += chunk;
    if (text.endsWith('\n')) break;
  }
  return { child, info: JSON.parse(text) };
}

/** Ends what is left of a platform, whatever it was that should have ended it. */
function endGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, 'SIGKILL');
  } catch {
    // Nothing is left.
  }
}

/** @returns once nothing listens at any of these URLs any more */
async function allGone(urls: readonly string[]): Promise<void> {
  for (const url of urls)
    await expect
      .poll(
        () =>
          send(url).then(
            ({ status }) => status,
            ({ code }) => code,
          ),
        { timeout: 30_000 },
      )
      .toBe('ECONNREFUSED');
}

test('each Region can be a process of its own: killed and started again, and ended with its parent', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-'));
  const { child, info } = await startProcesses(directory);
  try {
    const token = readFileSync(join(directory, '.countersign/local.token'), 'utf8').trim();
    expect((statSync(join(directory, '.countersign/local.token')).mode & 0o777).toString(8)).toBe('600');
    const there = (fault: object) => cause(info.awsEndpoint, token, fault);
    expect([await registers({ info }, 0, 'ada'), await registers({ info }, 1, 'ada')]).toEqual([
      ...['registered', 'registered'],
    ]);
    await there({ kind: 'region', region: 'local-a', lost: true });
    expect([await registers({ info }, 0, 'bob'), await registers({ info }, 1, 'bob')]).toEqual([
      ...['connection_failed', 'registered'],
    ]);
    await there({ kind: 'region', region: 'local-a', lost: false });
    expect(await registers({ info }, 0, 'bob')).toBe('registered');
    expect(readFileSync(join(directory, '.countersign/local.log'), 'utf8')).toContain('"region":"local-b"');

    child.kill('SIGKILL');
    await once(child, 'exit');
    await allGone([info.entry, info.awsEndpoint, ...info.regions.map(({ url }) => url)]);
  } finally {
    endGroup(child);
    rmSync(directory, { recursive: true });
  }
});

test('Ctrl-C of a terminal, which reaches every process, ends them in order', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-'));
  const { child, info } = await startProcesses(directory);
  try {
    const closed = once(child, 'exit');
    process.kill(-child.pid!, 'SIGINT');
    expect(await closed).toEqual([0, null]);
    await allGone(info.regions.map(({ url }) => url));
    expect(readdirSync(join(directory, '.countersign'))).toEqual(['local.log']);
  } finally {
    endGroup(child);
    rmSync(directory, { recursive: true });
  }
});
