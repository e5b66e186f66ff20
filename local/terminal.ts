/** The text that `npm start` prints for a person. */
import { relative } from 'node:path';
import { styleText } from 'node:util';
import type { LocalFiles } from './local-files.ts';
import type { PlatformInfo } from './platform.ts';

/** Styles apply only if the output is a terminal and NO_COLOR is not set. */
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
    ['Entry', entry, 'passes requests to the first healthy Region'],
    ...regions.map(({ name, url }): [string, string, string] => [name, url, 'a Region with its own ledger']),
    ['AWS endpoint', awsEndpoint, 'DynamoDB, Secrets Manager, Lambda invoke'],
    ...(vault === null ? [] : [['Vault', vault, 'makes all keys'] as [string, string, string]]),
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
    [`npx countersign register examples/users.csv${local}`, 'registers 1,000 users from a file'],
    [`npx countersign clients list${local}`, 'lists the clients that may register users'],
    [
      `npx countersign keys rotate nonce${local} && npx countersign keys timeline${local}`,
      'makes a new key, and shows when it signs and when the old one goes',
    ],
    [`curl '${url}/v1/nonce?client_id=dev'`, 'returns a nonce, which works once'],
    [`curl ${url}/.well-known/countersign`, "returns the platform's configuration for clients"],
  ] as const;
  console.log(`\n${bold('Try next')}, in another terminal\n`);
  for (const [command, what] of steps) console.log(`  ${command}\n  ${dim(`  ${what}`)}`);
  const here = (path: string) => relative(process.cwd(), path);
  console.log(
    `\n  Clients ${bold('dev')} and ${bold('dev-basic')}, their API keys and the URLs above: ${here(files.infoPath)}`,
  );
  console.log(`  The functions' log: ${here(files.logPath)}`);
  if (local !== '')
    console.log(`\n  Another platform runs in this folder: add${bold(local)} to commands for this one.`);
  console.log(`\n  Ctrl-C stops the platform.\n`);
}

/** @returns the option with which commands reach this platform; empty for the first platform of its folder */
export const localOption = ({ entry }: PlatformInfo, { isFirst }: LocalFiles): string =>
  isFirst ? '' : ` --local ${new URL(entry).port}`;
