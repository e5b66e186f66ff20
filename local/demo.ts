/**
 * Shows the protocol with a first user: a nonce, a proof, the registration (201), and the refusal of a replay
 * (401).
 */
import type { PlatformInfo } from './platform.ts';
import { signRegistration } from './sign.ts';
import { bold, dim, green, red } from './terminal.ts';

const USER = { user_id: 'ada', email: 'ada@example.com', display_name: 'Ada Lovelace' };

/** @throws Error where the platform refuses the user, or accepts the replay */
export async function showFirstUser(info: PlatformInfo, print: (line: string) => void): Promise<void> {
  const { url } = info.regions[0]!;
  const { client_id } = info.clients[0]!;
  const step = (n: number, what: string, outcome: string) => print(`  ${n}  ${what.padEnd(44)}${outcome}`);

  print(`\n${bold('A first user')}, registered by the client ${client_id}\n`);
  const nonceAnswer = await fetch(`${url}/v1/nonce?client_id=${client_id}`);
  const { nonce } = (await nonceAnswer.json()) as { nonce: string };
  step(1, 'GET /v1/nonce', `${verdict(nonceAnswer)}  ${dim(short(nonce))}`);

  const body = JSON.stringify(USER);
  const proof = await signRegistration(info, body, nonce, 60);
  step(2, 'sign nonce, method, URL and body digest', dim(short(proof)));

  const send = () => {
    const headers = { Authorization: `JWT ${proof}`, 'Content-Type': 'application/json' };
    return fetch(`${url}/v1/register`, { method: 'POST', headers, body });
  };
  const registered = await send();
  const { id, detail } = (await registered.json()) as { id?: string; detail?: string };
  if (registered.status !== 201) throw new Error(`the first user was not registered: ${detail}`);
  step(3, 'POST /v1/register', `${verdict(registered)}  ${dim(`${id}`)}`);

  const replayed = await send();
  const { code } = (await replayed.json()) as { code?: string };
  if (code !== 'use_nonce') throw new Error(`a replay was answered ${replayed.status}`);
  step(4, 'the same request again', `${verdict(replayed)}  ${dim(`${code}: a nonce works only once`)}`);
}

export const verdict = ({ status, ok }: Response): string =>
  ok ? green(String(status)) : red(String(status));
const short = (text: string): string => (text.length > 40 ? `${text.slice(0, 24)}…${text.slice(-8)}` : text);
