/** `countersign doctor`: from the name server up to the key, what works and what to mend. */
import { Command } from 'commander';
import { parseApiKey } from '../../protocol/api-key.ts';
import { EXIT, EXIT_CODES_HELP, type Io, printJson, type SetExit, usage } from '../io.ts';
import { LOCAL_FLAG, LOCAL_HELP } from '../local.ts';
import { type AccessOptions, findAccess } from '../register/access.ts';
import type { Finding } from './finding.ts';
import { checkNetwork } from './network.ts';
import { type Access, checkDiscovery, checkNonces, checkProof } from './platform.ts';
import { checkTls } from './tls.ts';

type Options = AccessOptions & { readonly json?: true };

export function doctorCommand(io: Io, setExit: SetExit): Command {
  return new Command('doctor')
    .description('Check the way to a platform, and the key; changes nothing there.')
    .option('--url <url>', "the platform's base URL (default: $COUNTERSIGN_URL, or the local platform)")
    .option(
      '--api-key-file <path>',
      'file with the API key (default: $COUNTERSIGN_API_KEY, or the local client dev)',
    )
    .option(LOCAL_FLAG, LOCAL_HELP)
    .option('--json', 'print JSON Lines, one finding each')
    .addHelpText(
      'after',
      `
It checks, in this order: name server, connection, certificates, the platform's document, this machine's clock, a nonce
from each Region, and a proof, which reads what does not exist. It ends where the next check could only fail as well.

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
      const failed = found.filter(({ status }) => status === 'fail');
      if (failed.length > 0)
        setExit(found.some(({ check }) => check === 'nonce') ? EXIT.failed : EXIT.unreachable);
      if (!options.json)
        io.stdout.write(failed.length === 0 ? 'All is well.\n' : `${failed.length} to mend.\n`);
    });
}

async function* examine(access: Access): AsyncGenerator<Finding, void, void> {
  const clientId = parseApiKey(access.apiKey)?.clientId;
  if (clientId === undefined)
    throw usage('the API key is cut or has a slip: csk_… or csb_… with its check at the end');
  if (!URL.canParse(access.url)) throw usage(`${access.url} is no URL`);
  const { protocol, hostname, port } = new URL(access.url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const portNumber = Number(port) || (protocol === 'https:' ? 443 : 80);
  if (!(yield* checkNetwork(host, portNumber))) return;
  if (protocol === 'https:') {
    const tls = await checkTls(host, portNumber, Date.now());
    yield tls;
    if (tls.status === 'fail') return;
  }
  const regions = yield* checkDiscovery(access.url.replace(/\/$/, ''), Date.now);
  if (!regions) return;
  yield* checkNonces(regions, clientId);
  yield await checkProof(access);
}

function print({ stdout }: Io, { check, status, of, detail, mend }: Finding): void {
  stdout.write(`${status.padEnd(4)}  ${check.padEnd(9)}  ${of}: ${detail}\n`);
  if (mend !== undefined) stdout.write(`${''.padEnd(17)}  to mend: ${mend}\n`);
}
