/**
 * HTTP without a client library: headers that fetch would change, such as a repeated one or a foreign Host,
 * are sent as given.
 */
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';

export interface Reply {
  readonly status: number;
  /** In order, as they were written. */
  readonly headers: [string, string][];
  readonly text: string;
  header(name: string): string | undefined;
}

/** @param headers names and values in turn; Host is the URL's own unless it is among them */
export async function send(
  url: string,
  {
    method = 'GET',
    headers = [],
    body,
  }: { method?: string; headers?: string[]; body?: string | Buffer } = {},
): Promise<Reply> {
  const { host, pathname, search, hostname, port } = new URL(url);
  const named = headers.some((name, i) => i % 2 === 0 && name.toLowerCase() === 'host');
  const length = body === undefined ? [] : ['Content-Length', String(Buffer.byteLength(body))];
  const asked = request({
    hostname,
    port,
    method,
    path: pathname + search,
    headers: [...(named ? [] : ['Host', host]), ...headers, ...length],
    agent: false,
  });
  asked.end(body);
  const [answer] = await once(asked, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk);
  const raw: string[] = answer.rawHeaders;
  const list = raw.flatMap((name, i): [string, string][] => (i % 2 === 0 ? [[name, raw[i + 1]!]] : []));
  return {
    status: answer.statusCode,
    headers: list,
    text: Buffer.concat(chunks).toString(),
    header: (name) => list.find(([known]) => known.toLowerCase() === name.toLowerCase())?.[1],
  };
}

/** @returns the status that the server answers to exactly these bytes, and closes */
export async function sendBytes(url: string, text: string): Promise<number> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.end(text);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
}
