/** The steps of the life of keys. */
import { setTimeout as delay } from 'node:timers/promises';
import { secretName } from '../../../lambda/contract/names.ts';
import { allOf, isEverywhere, type Key, type Keyset, REVOKED_MS, registers } from '../looks.ts';
import { type Step, step } from '../plan.ts';
import type { Tools } from '../tools.ts';

export const KEYS: readonly Step[] = [
  step({
    name: 'rotation',
    does: 'rotates the nonce key (`countersign keys rotate`)',
    after: ['keys'],
    needs: [],
    async run(tools) {
      const { json } = await tools.countersign(['keys', 'rotate', 'nonce', '--force']);
      const arrived = await tools.until('the new key in every Region', 300, async () => {
        const { json: list } = await tools.countersign(['keys', 'list', 'nonce'], [0, 1]);
        return isEverywhere(list.keysets[0], tools.regions);
      });
      return {
        states: (json.keys as Key[]).map(({ state }) => state),
        arrived,
        works: await registers(tools),
      };
    },
    checks: [
      { what: 'the next key waits', holds: ({ states }) => states.includes('next') },
      {
        what: 'the new version reached every Region',
        holds: ({ arrived }) => arrived,
        rows: ['a rotated value reaches the replicas by itself'],
      },
      { what: 'every Region registers', holds: ({ works }) => allOf(works) },
    ],
  }),
  step({
    name: 'schedule',
    does: 'lets Secrets Manager itself rotate the token key, by its four steps',
    after: ['rotation'],
    needs: ['aws command'],
    async run(tools) {
      const secret = ['--secret-id', secretName(tools.stage, 'token')];
      const list = async () => (await tools.countersign(['keys', 'list', 'token'], [0, 1])).json.keysets[0];
      const before: Keyset = await list();
      const asked = ['secretsmanager', 'rotate-secret', ...secret];
      if (!before.keys.some(({ state }) => state === 'next')) await tools.awsCommand(tools.home, asked);
      return tools.until('a next key', 300, async () =>
        ((await list()) as Keyset).keys.some(({ state }) => state === 'next'),
      );
    },
    checks: [{ what: 'the keyset has a next key', holds: (made) => made }],
  }),
  step({
    name: 'revocation',
    does: 'revokes the nonce keys (`countersign keys revoke`) while a proof with a nonce of theirs is held',
    after: ['rotation'],
    needs: [],
    ifFailed: 'The command printed the one that completes the revocation.',
    async run(tools) {
      const held = [];
      for (const { name } of tools.regions) held.push(await heldRequest(tools, name));
      const { code, json } = await tools.countersign(['keys', 'revoke', 'nonce', '--yes', '--timeout', '5m']);
      await delay(REVOKED_MS);
      const statuses = await Promise.all(held.map(async (request) => (await fetch(request)).status));
      const works = await tools.until('registrations', 120, async () => allOf(await registers(tools)));
      return { code, regions: json.regions as { readonly confirmed: boolean }[], statuses, works };
    },
    checks: [
      {
        what: 'every Region confirmed, and a new key signs',
        holds: ({ code, regions }) => code === 0 && regions.every(({ confirmed }) => confirmed),
      },
      {
        what: 'ten seconds later every Region refuses a nonce of the old keys',
        holds: ({ statuses }) => statuses.every((status) => status === 401),
      },
      { what: 'every Region registers with the new key', holds: ({ works }) => works },
    ],
  }),
];

export const PROMOTION: readonly Step[] = [
  step({
    name: 'promotion',
    does: 'lets the last Region make the keys: `countersign keys promote`, a deployment, and the same again',
    after: ['keys'],
    needs: ['promotion'],
    ifFailed: 'Nobody makes keys until it is complete: run `npm run prove` again; each part can be repeated.',
    async run(tools) {
      const promote = ['keys', 'promote', '--to', tools.away, '--yes', '--timeout', '10m'];
      const first = await tools.countersign(promote, [0, 1]);
      await tools.deploy({ keys: { managedBy: tools.away } });
      const second = await tools.countersign(promote, [0, 1]);
      await tools.countersign(['keys', 'rotate', 'nonce', '--force']);
      const arrived = await tools.until('the new key in every Region', 300, async () => {
        const { json } = await tools.countersign(['keys', 'list', 'nonce'], [0, 1]);
        return isEverywhere(json.keysets[0], tools.regions);
      });
      return { moved: first.json !== undefined, code: second.code, arrived, works: await registers(tools) };
    },
    checks: [
      {
        what: 'the replica is a secret of its own, and can be written',
        holds: ({ moved, arrived }) => moved && arrived,
        rows: [
          'it then has the versions and labels that the replica had, can be written and rotated, and gets nothing more from the former primary',
        ],
      },
      {
        what: "the former home's secrets are replicas of the new home's",
        holds: ({ code, arrived }) => code === 0 && arrived,
        rows: [
          'this overwrites a former primary, too, once it has no replicas; not one that has some, nor a replica of another secret, so the command detaches those first',
        ],
      },
      { what: 'every Region registers', holds: ({ works }) => allOf(works) },
    ],
  }),
];

/** A signed request to register that was not sent. */
async function heldRequest(tools: Tools, region: string): Promise<Request> {
  let held: Request | undefined;
  const keep = (request: Request): never => {
    held ??= request;
    throw new TypeError('kept, and not sent');
  };
  const client = await tools.client(region, keep);
  await client.register({ user_id: `held-${region}-${Date.now()}` }).catch(() => {});
  return held!;
}
