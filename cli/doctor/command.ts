/** `countersign doctor`: from the name server up to the key, what works and what to mend. */

import { isIP } from 'node:net';
import { Command } from 'commander';
import { parseApiKey } from '../../protocol/api-key.ts';
import { EXIT, EXIT_CODES_HELP, type Io, printJson, type SetExit, usage } from '../io.ts';
import { type Access, type AccessOptions, addAccessOptions, findAccess } from '../register/access.ts';
import { CHECKS, type Finding, skip } from './finding.ts';
import { checkNetwork } from './network.ts';
import { checkDiscovery, checkNonces, prepareProof } from './platform.ts';
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
It checks, in this order: name server, connection, certificates, the platform's document, this machine's clock, a nonce
from each Region, and a proof, which reads what does not exist. Where the next check could only fail as well it is left
out, and said to be. Exit code 0: every check ran, and none failed.

Example:
  $ countersign doctor --url https://api.example.com --api-key-file key.txt
${EXIT_CODES_HELP}`,
    )
    .action(async (options: Options) => {
      const found: Finding[] = [];
      for await (const finding of examine(findAccess(options, io))) {
        found.push(finding);
        if (options.json) printJson(io, finding);
        else print(io, finding);
      }
      const count = (which: Finding['status']) => found.filter(({ status }) => status === which).length;
      const [failed, skipped] = [count('fail'), count('skip')];
      if (failed + skipped > 0) {
        const isReached = found.some(({ check, status }) => check === 'nonce' && status !== 'skip');
        setExit(isReached ? EXIT.failed : EXIT.unreachable);
      }
      if (options.json) return;
      const unchecked = skipped > 0 ? `, ${skipped} not checked` : '';
      io.stdout.write(failed + skipped === 0 ? 'All is well.\n' : `${failed} to mend${unchecked}.\n`);
    });
}

/** What the checks found, and which of them did not run. */
async function* examine(access: Access): AsyncGenerator<Finding, void, void> {
  const ran = new Set<string>();
  for await (const finding of runChecks(access)) {
    ran.add(finding.check);
    yield finding;
  }
  const { protocol, host, isAddress } = partsOf(access.url);
  for (const check of CHECKS) {
    const applies = check === 'dns' ? !isAddress : check === 'tls' ? protocol === 'https:' : true;
    if (applies && !ran.has(check)) yield skip(check, host);
  }
}

async function* runChecks(access: Access): AsyncGenerator<Finding, void, void> {
  const clientId = parseApiKey(access.apiKey)?.clientId;
  if (clientId === undefined)
    throw usage('the API key is cut or has a slip: csk_… or csb_… with its check at the end');
  const checkProof = prepareProof(access);
  const { protocol, host, port } = partsOf(access.url);
  if (!(yield* checkNetwork(host, port))) return;
  if (protocol === 'https:') {
    const tls = await checkTls(host, port, Date.now());
    yield tls;
    if (tls.status === 'fail') return;
  }
  const regions = yield* checkDiscovery(access, Date.now);
  if (!regions) return;
  yield* checkNonces(regions, clientId);
  yield await checkProof();
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

function print({ stdout }: Io, { check, status, of, detail, mend }: Finding): void {
  stdout.write(`${status.padEnd(4)}  ${check.padEnd(9)}  ${of}: ${detail}\n`);
  if (mend !== undefined) stdout.write(`${''.padEnd(17)}  to mend: ${mend}\n`);
}
