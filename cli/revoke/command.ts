/** `countersign revoke`: a proof that was not used yet, a client, a client's key. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { Command } from 'commander';
import { decodeJwt } from 'jose';
import { readNonce } from '../../protocol/nonce.ts';
import { invokeAdmin } from '../admin.ts';
import { everywhere } from '../everywhere.ts';
import { CliError, EXIT, EXIT_CODES_HELP, type Io, printJson, type SetExit, usage } from '../io.ts';
import { addTargetOptions, findTarget, type TargetOptions } from '../target.ts';

type Options = TargetOptions & { readonly json?: true };

export function revokeCommand(io: Io, setExit: SetExit): Command {
  const revoke = new Command('revoke').description('Take back a proof, a client, or a key of a client.');
  const add = (usage: string, description: string, example: string) =>
    addTargetOptions(revoke.command(usage).description(description))
      .option('--json', 'print one JSON document')
      .addHelpText('after', `\nExample:\n  $ countersign revoke ${example}\n${EXIT_CODES_HELP}`);

  add(
    'proof <file>',
    'Use up the nonce of a proof that was not used yet, at once; - reads the proof from standard input.',
    'proof leaked.jwt',
  ).action(revokeProof);

  add(
    'client <name>',
    'Refuse all that a client signs, within 10 seconds: the same as clients disable.',
    'client my-service',
  ).action((client_id: string, options: Options) =>
    everywhere(
      io,
      setExit,
      options,
      'clients.disable',
      { client_id },
      {
        json: (client) => ({ client: client ?? null }),
        text: () => `${client_id} is disabled`,
        atOnce: true,
      },
    ),
  );

  add(
    'key <client> <kid>',
    'Refuse a key of a client, and those that it issued, within 10 seconds; `clients show` lists them.',
    'key my-service 2',
  ).action((client_id: string, kid: string, options: Options) =>
    everywhere(
      io,
      setExit,
      options,
      'clients.revoke-key',
      { client_id, kid },
      {
        json: (client) => ({ client: client ?? null }),
        text: ({ keys }) => {
          const dead = keys.filter(({ revoked }) => revoked).map((key) => key.kid);
          return `of ${client_id} the keys ${dead.join(', ')} are revoked`;
        },
        atOnce: true,
      },
    ),
  );
  return revoke;

  /** In the one Region where its nonce could be redeemed. */
  async function revokeProof(file: string, options: Options): Promise<void> {
    const nonce = nonceOf(await readProof(file));
    const region = readNonce(nonce)?.region;
    if (region === undefined) throw usage('the nonce of this proof is none of a Countersign platform');
    const target = findTarget(options, io);
    if (!target.regions.includes(region))
      throw usage(
        `its nonce is of ${JSON.stringify(region)}, which is not among ${target.regions.join(', ')}`,
      );
    const { outcome } = await invokeAdmin(target, region, 'proofs.revoke', { nonce });
    if (options.json) printJson(io, { outcome, region });
    else if (outcome === 'revoked') io.stdout.write(`the proof is revoked in ${region}; nobody can use it\n`);
    else if (outcome === 'expired') io.stdout.write('the proof has expired; nobody can use it any more\n');
    if (outcome !== 'already_used') return;
    setExit(EXIT.failed);
    io.stderr.write(`error: too late: its nonce was used up in ${region} before, by whomever\n`);
  }

  /** Never an argument: the proof would stand in the list of processes and in the shell's history. */
  async function readProof(file: string): Promise<string> {
    if (file === '-') return (await text(io.stdin)).trim();
    try {
      return readFileSync(resolve(io.cwd, file), 'utf8').trim();
    } catch (error) {
      throw new CliError(EXIT.usage, `cannot read ${file}: ${(error as NodeJS.ErrnoException).code}`);
    }
  }
}

function nonceOf(proof: string): string {
  let nonce: unknown;
  try {
    ({ nonce } = decodeJwt(proof.replace(/^(Authorization: *)?JWT +/i, '')));
  } catch {
    throw usage('this is no proof: a JWT is three parts of base64url, joined by dots');
  }
  if (typeof nonce !== 'string')
    throw usage('this proof has no nonce: it is one for reading, and ends within two minutes');
  return nonce;
}
