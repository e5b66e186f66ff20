/** The steps that send requests, as clients do. */
import { setTimeout as delay } from 'node:timers/promises';
import { allOf, isReadIn, REVOKED_MS, registers } from '../looks.ts';
import { type Step, step } from '../plan.ts';
import type { Tools } from '../tools.ts';

const REPLAYS = 10;

export const REQUESTS: readonly Step[] = [
  step({
    name: 'front-door',
    does: "reads answers that no function wrote, and one that a function wrote, as API Gateway's bytes",
    after: ['keys'],
    needs: [],
    async run({ regions }) {
      const bytes = { Accept: 'application/octet-stream' };
      const text = { 'Content-Type': 'text/plain' };
      return Promise.all(
        regions.map(async ({ url }) => ({
          mock: await answerOf(`${url}/v2/nonce`),
          refused: await answerOf(`${url}/v2/nonce`, { method: 'POST', headers: text, body: 'x' }),
          written: await answerOf(`${url}/.well-known/countersign`, { headers: bytes }),
        })),
      );
    },
    checks: [
      {
        what: 'a path without a route gets 404 and a problem in JSON',
        holds: (answers) => answers.every(({ mock }) => mock.status === 404 && mock.code === 'not_found'),
        rows: [
          'with `*/*`, the templates of a MOCK integration need `CONVERT_TO_TEXT` in both directions; then they work',
        ],
      },
      {
        what: "API Gateway's own refusal is a problem in JSON",
        holds: (answers) => answers.every(({ refused }) => refused.code === 'unsupported_media_type'),
        rows: ['gateway responses (throttle, firewall, 4xx, 5xx) stay text with `*/*`'],
      },
      {
        what: "a function's answer is text although the caller accepts bytes alone",
        holds: (answers) => answers.every(({ written }) => written.status === 200 && written.isText),
        rows: [
          "a function's answer stays text, whatever `Accept` says, while it does not say `isBase64Encoded: true`",
        ],
      },
    ],
  }),
  step({
    name: 'register',
    does: `registers a user in each Region, repeats each request ${REPLAYS} times in every Region, and reads the user everywhere`,
    after: ['keys'],
    needs: [],
    async run(tools) {
      const found = [];
      for (const { name } of tools.regions) {
        const requests: Request[] = [];
        const client = await tools.client(name, (request) => requests.push(request));
        const user = { user_id: `user-${name}-${Date.now()}` };
        const { id, replayed } = await client.register(user);
        await tools.replicate();
        const statuses = await replay(requests.at(-1)!, tools);
        const read = await Promise.all(tools.regions.map((each) => isReadIn(tools, each.name, id)));
        found.push({ replayed, statuses, read });
      }
      return found;
    },
    checks: [
      {
        what: 'each user is registered once: every repetition gets 401 `use_nonce`',
        holds: (found) =>
          found.every(({ replayed, statuses }) => !replayed && statuses.every((each) => each === 401)),
      },
      {
        what: 'every Region reads every user',
        holds: (found) => found.every(({ read }) => read.every(Boolean)),
      },
    ],
  }),
  step({
    name: 'stop-writes',
    does: 'stops writes and lets them go on (`countersign registry stop-writes`, `resume-writes`)',
    after: ['keys'],
    needs: [],
    ifFailed: 'Writes may be stopped: `countersign registry resume-writes` ends that.',
    async run(tools) {
      await tools.countersign(['registry', 'stop-writes']);
      await delay(REVOKED_MS);
      const during = await registers(tools, tools.regions, 5_000);
      await tools.countersign(['registry', 'resume-writes']);
      return {
        during,
        after: await tools.until('registrations', 60, async () => allOf(await registers(tools))),
      };
    },
    checks: [
      { what: 'nothing registers while writes are stopped', holds: ({ during }) => !during.includes(true) },
      { what: 'every Region registers afterwards', holds: ({ after }) => after },
    ],
  }),
];

/** The code is read from the text: the emulator leaves a member of some problems unfinished. */
async function answerOf(url: string, init?: RequestInit) {
  const answer = await fetch(url, init);
  const text = await answer.text();
  return {
    status: answer.status,
    code: /"code":\s*"(\w+)"/.exec(text)?.[1],
    isText: text.trimStart().startsWith('{'),
  };
}

/** Sends a request again, in every Region. @returns the statuses, without refusals for want of capacity */
async function replay(request: Request, { regions }: Tools): Promise<number[]> {
  const origin = regions.find(({ url }) => request.url.startsWith(url))!.url;
  const again = async (url: string): Promise<number> => {
    for (;;) {
      const { status } = await fetch(new Request(url + request.url.slice(origin.length), request.clone()));
      if (status !== 503 && status !== 429) return status;
      await delay(1_000);
    }
  };
  return Promise.all(regions.flatMap(({ url }) => Array.from({ length: REPLAYS }, () => again(url))));
}
