/** MiniStack: CloudFormation, API Gateway, Lambda, DynamoDB and Secrets Manager in one process. */
import { delimiter } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, startProcess } from './process.ts';
import { pythonTool } from './python.ts';

const BIN = fileURLToPath(new URL('../../node_modules/.bin', import.meta.url));

export interface Ministack {
  readonly port: number;
  /** The port of every AWS service. */
  readonly endpoint: string;
  readonly output: () => string;
  readonly stop: () => Promise<void>;
}

export async function startMinistack(): Promise<Ministack> {
  const command = await pythonTool('ministack');
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const server = await startProcess({
    command,
    args: [],
    env: {
      BIND_HOST: '127.0.0.1',
      GATEWAY_PORT: String(port),
      IOT_MTLS_ENABLED: '0',
      // Functions run on the first Node in the path. An idle one ends after this many seconds.
      LAMBDA_EXECUTOR: 'local',
      LAMBDA_WARM_TTL_SECONDS: '5',
      PATH: `${BIN}${delimiter}${process.env.PATH}`,
    },
    ready: async () => {
      const { ok } = await fetch(`${endpoint}/_ministack/health`);
      if (!ok) throw new Error('not ready');
    },
  });
  return { port, endpoint, ...server };
}
