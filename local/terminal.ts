/** What a person sees of `npm start`. */
import { relative } from 'node:path';
import { styleText } from 'node:util';
import type { LocalFiles } from './local-files.ts';
import type { PlatformInfo } from './platform.ts';

/** Plain where the output is no terminal, or NO_COLOR is set. */
export const bold = (text: string): string => styleText('bold', text, { stream: process.stdout });
export const dim = (text: string): string => styleText('dim', text, { stream: process.stdout });
export const green = (text: string): string => styleText('green', text, { stream: process.stdout });
export const red = (text: string): string => styleText('red', text, { stream: process.stdout });

export function showReady(
  { entry, regions, awsEndpoint, vault }: PlatformInfo,
  consistency: string,
  elapsedMs: number,
): void {
  const rows: [string, string, string][] = [
    ['Entry', entry, 'passes to the first healthy Region'],
    ...regions.map(({ name, url }): [string, string, string] => [
      name,
      url,
      'a Region with a ledger of its own',
    ]),
    ['AWS endpoint', awsEndpoint, 'DynamoDB, Secrets Manager, Lambda invoke'],
    ...(vault === null ? [] : [['Vault', vault, 'makes every key'] as [string, string, string]]),
  ];
  const seconds = (elapsedMs / 1000).toFixed(1);
  console.log(
    `\n${bold('Countersign')} runs on this machine ${dim(`(ready in ${seconds} s, ${consistency} consistency, state in memory)`)}\n`,
  );
  for (const [name, url, what] of rows) console.log(`  ${name.padEnd(14)}${url}   ${dim(what)}`);
}

export function showNextSteps(info: PlatformInfo, files: LocalFiles): void {
  const { url } = info.regions[0]!;
  const local = localOption(info, files);
  const steps = [
    [`npx countersign register examples/users.csv${local}`, '1,000 users from a file'],
    [`npx countersign clients list${local}`, 'who may register'],
    [
      `npx countersign keys rotate nonce${local} && npx countersign keys timeline${local}`,
      'publish first, sign later, remove last',
    ],
    [`curl '${url}/v1/nonce?client_id=dev'`, 'a nonce, stateless and single-use'],
    [`curl ${url}/.well-known/countersign`, 'how clients configure themselves'],
  ] as const;
  console.log(`\n${bold('Try next')}, in another terminal\n`);
  for (const [command, what] of steps) console.log(`  ${command}\n  ${dim(`  ${what}`)}`);
  const here = (path: string) => relative(process.cwd(), path);
  console.log(
    `\n  Clients ${bold('dev')} and ${bold('dev-basic')}, their API keys and the URLs above: ${here(files.infoPath)}`,
  );
  console.log(`  The functions' log: ${here(files.logPath)}`);
  if (local !== '')
    console.log(`\n  Another platform runs in this folder: commands reach this one by${bold(local)}.`);
  console.log(`\n  Ctrl-C stops it.\n`);
}

/** What a command needs to reach this platform; nothing for the first one of its folder. */
export const localOption = ({ entry }: PlatformInfo, { isFirst }: LocalFiles): string =>
  isFirst ? '' : ` --local ${new URL(entry).port}`;
