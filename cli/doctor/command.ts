/**
 * `countersign doctor`: checks every step from the name server to the API key, and says how to fix what
 * fails.
 */
import { isIP } from 'node:net';
import { Command } from 'commander';
import { parseApiKey } from '../../protocol/api-key.ts';
import { EXIT, EXIT_CODES_HELP, type Io, printJson, type SetExit, usage } from '../io.ts';
import { fold } from '../print.ts';
import { type Access, type AccessOptions, addAccessOptions, findAccess } from '../register/access.ts';
import { CHECKS, type CheckResult, skipped } from './check-result.ts';
import { checkConnection } from './connection.ts';
import { checkDiscovery, checkHealth, checkNonces, prepareProof } from './platform.ts';
import { checkTls } from './tls.ts';

type Options = AccessOptions & { readonly json?: true };

export function doctorCommand(io: Io, setExit: SetExit): Command {
  const command = new Command('doctor').description(
    'Check the way to a platform, and the key; changes nothing there.',
  );
  return addAccessOptions(command)
    .option('--json', 'print JSON Lines, one finding each')
    .addHelpText(
      'after',
      `
It checks, in this order: name server, connection, certificates, the platform's discovery document, this machine's clock,
each Region's health (and whether an operator stopped writes), a nonce from each Region, and a proof for reading a
registration that does not exist. A check that depends on a failed one is skipped, and reported as \`skip\`; so is a Region
on another host, unless --regions names it. Exit code 0: every check ran, and none failed; warnings leave it at 0.

Example:
  $ countersign doctor --url https://api.example.com --api-key-file key.txt
${EXIT_CODES_HELP}`,
    )
    .action(async (options: Options) => {
      const found: CheckResult[] = [];
      const access = findAccess(options, io);
      for await (const checked of examine(access)) {
        const result = withProxyNamed(checked, access.url, io.env);
        found.push(result);
        if (options.json) printJson(io, result);
        else print(io, result);
      }
      const count = (which: CheckResult['status']) => found.filter(({ status }) => status === which).length;
      const [failed, skipped, warned] = [count('fail'), count('skip'), count('warn')];
      if (failed + skipped > 0) {
        const isReached = found.some(({ check, status }) => check === 'nonce' && status !== 'skip');
        setExit(isReached ? EXIT.failed : EXIT.unreachable);
      }
      if (options.json) return;
      const unchecked = skipped > 0 ? `, ${skipped} not checked` : '';
      const toLookAt = warned > 0 ? `, ${warned} to look at` : '';
      const isWell = failed + skipped + warned === 0;
      io.stdout.write(isWell ? 'All is well.\n' : `${failed} to fix${toLookAt}${unchecked}.\n`);
    });
}

/** Runs the checks. @returns the results, then one `skip` for each check that did not run */
async function* examine(access: Access): AsyncGenerator<CheckResult, void, void> {
  const ran = new Set<string>();
  for await (const result of runChecks(access)) {
    ran.add(result.check);
    yield result;
  }
  const { protocol, host, isAddress } = partsOf(access.url);
  for (const check of CHECKS) {
    const applies = check === 'dns' ? !isAddress : check === 'tls' ? protocol === 'https:' : true;
    if (applies && !ran.has(check)) yield skipped(check, host);
  }
}

async function* runChecks(access: Access): AsyncGenerator<CheckResult, void, void> {
  const clientId = parseApiKey(access.apiKey)?.clientId;
  if (clientId === undefined)
    throw usage('the API key is cut off or mistyped: it must be csk_… or csb_… with its checksum at the end');
  const checkProof = prepareProof(access);
  const { protocol, host, port } = partsOf(access.url);
  if (!(yield* checkConnection(host, port))) return;
  if (protocol === 'https:') {
    const tls = await checkTls(host, port, Date.now());
    yield tls;
    if (tls.status === 'fail') return;
  }
  const regions = yield* checkDiscovery(access, Date.now);
  if (!regions) return;
  yield* checkHealth(regions, access.operatorFlags);
  yield* checkNonces(regions, clientId);
  yield await checkProof();
}

/**
 * Adds to the fix of a failed connection that a proxy is set, which Node's `fetch` does not use by itself.
 */
function withProxyNamed(result: CheckResult, url: string, env: Io['env']): CheckResult {
  if (result.status !== 'fail' || !['dns', 'tcp', 'tls'].includes(result.check)) return result;
  const scheme = new URL(url).protocol === 'https:' ? 'https_proxy' : 'http_proxy';
  const names = [scheme.toUpperCase(), scheme, 'ALL_PROXY', 'all_proxy'];
  const set = names.find((name) => env[name]);
  if (set === undefined) return result;
  const proxy = `${set} is set, but this command uses no proxy: it needs a direct way to the platform`;
  return { ...result, fix: `${result.fix}; ${proxy}` };
}

function partsOf(url: string) {
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  return {
    protocol,
    host,
    isAddress: isIP(host) !== 0,
    port: Number(port) || (protocol === 'https:' ? 443 : 80),
  };
}

/** A terminal that is narrower has no room beside the names of the checks. */
const WIDE = 70;

function print({ stdout }: Io, { check, status, of, detail, fix }: CheckResult): void {
  const isNarrow = (stdout.columns ?? WIDE) < WIDE;
  const print = (text: string) => {
    for (const line of fold(text, stdout.columns, isNarrow ? 6 : 19)) stdout.write(`${line}\n`);
  };
  print(`${status.padEnd(4)}  ${check.padEnd(9)}  ${of}: ${detail}`);
  if (fix !== undefined) print(`${''.padEnd(isNarrow ? 4 : 17)}  to fix: ${fix}`);
}
