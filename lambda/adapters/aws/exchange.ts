/** One HTTP request and its answer, over connections that are kept open. */
import * as http from 'node:http';
import * as https from 'node:https';

export interface ExchangeLimits {
  readonly maxSockets: number;
  readonly connectionTimeoutMs: number;
  /** From the request's begin to its answer's end: no call waits longer for one attempt. */
  readonly requestTimeoutMs: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

/** Codes that the AWS SDK calls a timeout, where a connection fails before it brings an answer. */
const TIMEOUT_CODES = ['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT'];

/** Calls go to the endpoint's own path; AWS's endpoints have none. */
export const pathOf = ({ pathname }: URL): string => (pathname.endsWith('/') ? pathname : `${pathname}/`);

export class Exchange {
  readonly #request: typeof http.request;
  readonly #options: http.RequestOptions;
  readonly #agent: http.Agent;
  readonly #limits: ExchangeLimits;

  /** @param endpoint a base URL */
  constructor(endpoint: URL, limits: ExchangeLimits) {
    const { request, Agent } = endpoint.protocol === 'http:' ? http : https;
    this.#request = request;
    this.#limits = limits;
    this.#agent = new Agent({ keepAlive: true, maxSockets: limits.maxSockets });
    this.#options = {
      agent: this.#agent,
      method: 'POST',
      host: endpoint.hostname.replace(/^\[|\]$/g, ''),
      ...(endpoint.port && { port: Number(endpoint.port) }),
      path: pathOf(endpoint),
    };
  }

  /** @throws Error: `TimeoutError`, or with Node's code for a connection that breaks */
  send(headers: http.OutgoingHttpHeaders, body: string): Promise<HttpAnswer> {
    const { connectionTimeoutMs, requestTimeoutMs } = this.#limits;
    return new Promise((resolve, reject) => {
      const request = this.#request({ ...this.#options, headers }, (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => {
          text += chunk;
        });
        answer.on('end', () => {
          clearTimeout(patience);
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text });
        });
        answer.on('error', fail);
      });
      const fail = (error: Error) => {
        clearTimeout(patience);
        reject(error);
      };
      const late = (limitMs: number, what: string) => () => {
        request.destroy(
          Object.assign(new Error(`${what} within ${limitMs} ms`), {
            name: 'TimeoutError',
            code: 'ETIMEDOUT',
          }),
        );
      };
      const patience = setTimeout(late(requestTimeoutMs, 'no whole answer'), requestTimeoutMs);
      request.on('socket', (socket) => {
        if (!socket.connecting) return;
        const connecting = setTimeout(late(connectionTimeoutMs, 'no connection'), connectionTimeoutMs);
        const connected = () => clearTimeout(connecting);
        socket.once('connect', connected).once('close', connected);
      });
      request.on('error', (error: NodeJS.ErrnoException) => {
        fail(
          TIMEOUT_CODES.includes(error.code ?? '') ? Object.assign(error, { name: 'TimeoutError' }) : error,
        );
      });
      request.end(body);
    });
  }

  /** Closes the connections. */
  destroy(): void {
    this.#agent.destroy();
  }
}
