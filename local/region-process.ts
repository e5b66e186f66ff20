/** A Region as a process of its own: gateway and functions. It ends with the process that started it. */
import { createRegion } from './region.ts';
import type { FromRegion, ToRegion } from './region-host.ts';
import { type LocalServer, PortInUse, startServer } from './server.ts';

// The channel closes when the parent ends, even by SIGKILL.
process.on('disconnect', () => process.exit());
if (!process.connected) process.exit();

const tell = (message: FromRegion) => {
  // The parent may end at any moment; then this process does.
  process.send!(message, undefined, undefined, () => {});
};
const siblings = new Set<number>();
let server: LocalServer | undefined;
let functions: ReturnType<typeof createRegion>['functions'] = new Map();

process.on('message', (message: ToRegion) => {
  if (message.kind === 'listen') void listen(message);
  if (message.kind === 'serve') serve(message);
  if (message.kind === 'invoke') void invoke(message);
});

async function listen({ port, origins }: ToRegion & { kind: 'listen' }): Promise<void> {
  try {
    server = await startServer(port, siblings, origins);
    tell({ kind: 'listening', port: server.port });
  } catch (error) {
    if (!(error instanceof PortInUse)) throw error;
    tell({ kind: 'port-in-use' });
  }
}

function serve({ name, settings, siblings: ports }: ToRegion & { kind: 'serve' }): void {
  for (const port of ports) siblings.add(port);
  const nowMs = () => Date.now() + settings.clockErrorMs;
  const log = (entry: (FromRegion & { kind: 'log' })['entry']) => tell({ kind: 'log', entry });
  const region = createRegion(name, server!.url, settings, { nowMs, log });
  functions = region.functions;
  server!.serve(region.gateway);
  tell({ kind: 'serving' });
}

async function invoke({ id, function: name, event, context }: ToRegion & { kind: 'invoke' }): Promise<void> {
  try {
    tell({ kind: 'result', id, result: await functions.get(name)!(event, context) });
  } catch (error) {
    const { name, message } = error as Error;
    tell({ kind: 'failure', id, name, message });
  }
}
