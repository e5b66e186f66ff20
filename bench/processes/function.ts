/**
 * One function's bundle behind a server. It measures what a process does from its start to its first answer.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type HttpFunction, serveFunctions } from './function-server.ts';

const { handler } = (await import(process.argv[2]!)) as { handler: HttpFunction };
const server = createServer(serveFunctions({ '/v1/register': handler }));
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
// V8's compile cache is written when a process ends by itself.
process.once('SIGTERM', () => process.exit());
