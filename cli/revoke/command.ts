/** `countersign revoke`: revokes an unused proof, an access token, a client, or a client's key. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { Command } from 'commander';
import { decodeJwt } from 'jose';
import { readNonce } from '../../protocol/nonce.ts';
import { change } from '../admin.ts';
import { everywhere } from '../everywhere.ts';
import { EXIT, EXIT_CODES_HELP, type Io, printJson, type SetExit, unreadable, usage } from '../io.ts';
import { checkClientNames } from '../params.ts';
import { addTargetOptions, findTarget, type TargetOptions } from '../target.ts';

type Options = TargetOptions & { readonly json?: true };

export function revokeCommand(io: Io, setExit: SetExit): Command {
  const revoke = new Command('revoke').description(
    'Take back a proof, a token, a client, or a key of a client.',
  );
  const add = (usage: string, description: string, example: string) =>
    addTargetOptions(checkClientNames(revoke.command(usage).description(description)))
      .option('--json', 'print one JSON document')
      .addHelpText('after', `\nExample:\n  $ countersign revoke ${example}\n${EXIT_CODES_HELP}`);

  add(
    'proof <file>',
    'Use up the nonce of an unused proof, so that nobody can use the proof; - reads it from standard input.',
    'proof leaked.jwt',
  ).action(revokeProof);

  add(
    'token <jti>',
    'Refuse an access token in every Region at once; its claim jti names it.',
    'token 3Xm9T0rVvq1bYk7u2cLw8A',
  ).action((jti: string, options: Options) =>
    everywhere(
      io,
      setExit,
      options,
      'tokens.revoke',
      { jti },
      {
        json: (token) => ({ token: token ?? null }),
        text: () => `token ${jti} is revoked`,
        left: (regions) => `the token may still be used in ${regions}; run the command again`,
        atOnce: true,
      },
    ),
  );

  add(
    'client <name>',
    'Refuse everything that a client signs, within 10 seconds; the same as clients disable.',
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
    'Refuse a key of a client and the keys that it issued, within 10 seconds; `clients show` lists keys.',
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
          return `${dead.length === 1 ? 'key' : 'keys'} ${dead.join(', ')} of ${client_id} revoked`;
        },
        atOnce: true,
      },
    ),
  );
  return revoke;

  /** Only the Region that issued the nonce can redeem it, so only that Region is asked. */
  async function revokeProof(file: string, options: Options): Promise<void> {
    const nonce = nonceOf(await readProof(file));
    const region = readNonce(nonce)?.region;
    if (region === undefined) throw usage('the nonce of this proof is not from a Countersign platform');
    const target = findTarget(options, io);
    if (!target.regions.includes(region))
      throw usage(
        `the nonce of this proof is from Region ${JSON.stringify(region)}, which is not one of ${target.regions.join(', ')}`,
      );
    const { outcome } = await change(io, target, region, 'proofs.revoke', { nonce });
    if (options.json) printJson(io, { outcome, region });
    else if (outcome === 'revoked') io.stdout.write(`the proof is revoked in ${region}; nobody can use it\n`);
    else if (outcome === 'expired') io.stdout.write('the proof has expired; nobody can use it\n');
    if (outcome !== 'already_used') return;
    setExit(EXIT.failed);
    io.stderr.write(`error: too late: somebody has used its nonce in ${region} already\n`);
  }

  /** Reads a file, never an argument: the process list and the shell's history would show the proof. */
  async function readProof(file: string): Promise<string> {
    if (file === '-') return (await text(io.stdin)).trim();
    try {
      return readFileSync(resolve(io.cwd, file), 'utf8').trim();
    } catch (error) {
      throw unreadable(file, error as NodeJS.ErrnoException);
    }
  }
}

function nonceOf(proof: string): string {
  let nonce: unknown;
  try {
    ({ nonce } = decodeJwt(proof.replace(/^(Authorization: *)?JWT +/i, '')));
  } catch {
    throw usage('this is not a proof: a proof is a JWT, three base64url parts joined by dots');
  }
  if (typeof nonce !== 'string')
    throw usage('this proof has no nonce: it is a proof for reading, which expires within two minutes');
  return nonce;
}
