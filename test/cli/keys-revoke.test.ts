/**
 * `countersign keys revoke` while functions refuse, are late, lose their answer or give another form, in
 * every combination: for the look at the keys before, and for the revocation, in each of two Regions. The
 * functions keep one stage's keys, so that what the command says is compared with what they did.
 */
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KeySummary, KeysetSummary, RevokedKeys } from '../../lambda/contract/keys.ts';
import { Directory, type Ran } from './cli.ts';

const REGIONS = ['local-a', 'local-b'] as const;
type Region = (typeof REGIONS)[number];

/**
 * `refused`: nothing was done. In all other cases the work was done, and only the answer is wrong or missing.
 */
const FATES = ['answered', 'refused', 'late', 'lost', 'garbage'] as const;
/** `blind`: the function can read no key, and so refuses none. */
type Fate = (typeof FATES)[number] | 'blind';
const PATIENCE_MS = 150;

/** The behaviour of each Region's functions on the first call of an action. Every later call is answered. */
type Fates = Readonly<Record<`${Region} ${'keys.list' | 'keys.revoke'}`, Fate>>;

/** Two stolen keys: one signs, and one is published. Only the home Region can make a new one. */
const STOLEN = ['AAAAAA', 'BBBBBB'];

class Stage {
  readonly directory = new Directory();
  readonly refused: Record<Region, Set<string>> = { 'local-a': new Set(), 'local-b': new Set() };
  readonly made: string[] = [];
  /** Calls that may have made a key, and then every call that named no kids although there was one. */
  begun = 0;
  unnamed = 0;
  keys = [...STOLEN];
  readonly #left: Partial<Record<string, Fate>>;

  constructor(fates: Fates) {
    this.#left = { ...fates };
  }

  async serve(region: Region, action: string, only: string[] | undefined, response: ServerResponse) {
    const fate = this.#left[`${region} ${action}`] ?? 'answered';
    delete this.#left[`${region} ${action}`];
    if (action === 'keys.revoke') {
      if (this.begun > 0 && !only?.length) this.unnamed += 1;
      this.begun += 1;
    }
    const problem = { code: 'unavailable', detail: 'limits cannot be read' };
    const answer =
      fate === 'refused'
        ? { ok: false, problem }
        : { ok: true, result: this.#resultOf(region, action, only, fate) };
    if (fate === 'lost') return void response.destroy();
    if (fate === 'late') await delay(PATIENCE_MS * 2);
    response.end(fate === 'garbage' ? '<html>busy</html>' : JSON.stringify(answer));
  }

  #resultOf(region: Region, action: string, only: string[] | undefined, fate: Fate) {
    if (action === 'keys.list') return this.summary();
    return fate === 'blind' ? this.#blind() : this.#revoke(region, only);
  }

  #blind(): RevokedKeys {
    const regions = REGIONS.map((region) => ({ region, confirmed: false }));
    const failure = 'no version of the secret that can be read holds a key';
    return { keyset: null, failure, revoked: [], regions, unreadable: [], unknown_kids: [] };
  }

  #revoke(region: Region, only: string[] | undefined): RevokedKeys {
    const kids = [...new Set([...this.refused[region], ...(only ?? this.keys)])];
    for (const each of REGIONS) for (const kid of kids) this.refused[each].add(kid);
    const told = {
      revoked: kids,
      regions: REGIONS.map((each) => ({ region: each, confirmed: true })),
      unreadable: [],
      unknown_kids: [],
    };
    if (region !== 'local-a') return { keyset: null, failure: 'the keyset is a replica here', ...told };
    this.keys = this.keys.filter((kid) => !kids.includes(kid));
    if (this.keys.length === 0) {
      const kid = `new${String(this.made.length).padStart(3, '0')}`;
      this.made.push(kid);
      this.keys = [kid];
    }
    return { keyset: this.summary(), failure: null, ...told };
  }

  summary(): KeysetSummary {
    const keys = this.keys.map(
      (kid, i): KeySummary => ({
        kid,
        alg: 'HKDF-SHA-256',
        state: i === 0 ? 'current' : 'next',
        activates_at: '2026-11-23T00:00:00.000Z',
        retires_at: null,
        vault_version: 1,
      }),
    );
    return {
      purpose: 'nonce',
      seq: 1,
      published_seq: 1,
      managed_by: 'local-a',
      promoted_to: null,
      primary_region: 'local-a',
      replicas: [],
      missing_kids: [],
      version_id: 'v1',
      unreadable: null,
      fall_back: null,
      pending: null,
      changed_at: '2026-11-23T00:00:00.000Z',
      keys,
      revoked: [...this.refused['local-a']],
      windows: { finish: 1, publish_to_sign: 2, sign_to_remove: 3 },
      regions: REGIONS.map((region) => ({ region, kids: this.keys, revoked: [...this.refused[region]] })),
      known_kids: [...new Set([...this.keys, ...this.refused['local-a']])],
      next_rotation_at: null,
      last_failure: null,
    };
  }
}

describe('keys revoke, however the functions answer', () => {
  const stages = new Map<string, Stage>();
  let server: Server;

  beforeAll(async () => {
    server = createServer(async (request, response) => {
      const region = /Credential=[^/]+\/\d+\/([^/]+)\//.exec(
        request.headers.authorization ?? '',
      )![1] as Region;
      const [, name] = /^\/([^/]+)\//.exec(request.url!)!;
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const { action, params } = JSON.parse(Buffer.concat(chunks).toString());
      await stages.get(name!)!.serve(region, action, params.only_kids, response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => {
    server?.closeAllConnections();
    server?.close();
    for (const { directory } of stages.values()) directory.remove();
  });

  async function revoke(name: string, fates: Fates): Promise<[Ran, Stage]> {
    const stage = new Stage(fates);
    stages.set(name, stage);
    mkdirSync(`${stage.directory.path}/.countersign`);
    const { port } = server.address() as AddressInfo;
    const local = {
      entry: 'http://127.0.0.1:1',
      regions: REGIONS.map((region) => ({ name: region, url: 'http://127.0.0.1:1' })),
      awsEndpoint: `http://127.0.0.1:${port}/${name}`,
      clients: [],
    };
    stage.directory.write('.countersign/local.json', JSON.stringify(local));
    const ran = await stage.directory.run(['keys', 'revoke', 'nonce', '--yes', '--timeout', '1s'], {
      ...(Object.values(fates).includes('late') && { patienceMs: PATIENCE_MS }),
    });
    return [ran, stage];
  }

  /** @returns the command's faults: statements or actions that are not allowed */
  function faults({ code, stdout, stderr }: Ran, { made, refused, keys, unnamed }: Stage): string[] {
    const said: string[] = [];
    const require = (holds: boolean, fault: string) => holds || said.push(fault);
    const refuses = (region: Region) => STOLEN.every((kid) => refused[region].has(kid));
    require(made.every((kid) => !refused['local-a'].has(kid)), 'the new key was revoked');
    require(unnamed === 0, 'a second call named no kids');
    const [, names = ''] = /refused within 10 s by: (.*)\n/.exec(stdout) ?? [];
    for (const region of REGIONS) {
      require(!names.includes(region) || refuses(region), `${region} does not refuse`);
      if (code === 0) require(names.includes(region), `${region} is not named`);
    }
    const [, signs] = /key (\S+) signs now/.exec(stdout) ?? [];
    require(signs === undefined || keys[0] === signs, `${signs} does not sign`);
    require(code !== 0 || (signs !== undefined && made.includes(signs)), 'no new key, and exit code 0');
    const commands = stderr.match(/countersign keys revoke nonce.*/g) ?? [];
    for (const command of commands)
      require(/ --only-kid /.test(command) && !/new\d/.test(command), `advises ${command}`);
    require(code === 0 || /error: /.test(stderr), 'a failure without an error');
    require(!stderr.includes('a replica here'), 'names a Region that cannot make a key as the cause');
    return said;
  }

  it('where no function can read a key, no Region counts as one that refuses them', async () => {
    const [ran] = await revoke('blind', {
      'local-a keys.list': 'refused',
      'local-b keys.list': 'refused',
      'local-a keys.revoke': 'blind',
      'local-b keys.revoke': 'blind',
    });
    expect([ran.code, ran.stdout]).toEqual([1, 'nonce: no key refused within 10 s by: no Region\n']);
    for (const region of REGIONS) expect(ran.stderr).toContain(`error: not confirmed by ${region};`);
  });

  const withList = (listA: Fate): Fates[] =>
    FATES.flatMap((listB) =>
      FATES.flatMap((revokeA) =>
        FATES.map((revokeB) => ({
          'local-a keys.list': listA,
          'local-b keys.list': listB,
          'local-a keys.revoke': revokeA,
          'local-b keys.revoke': revokeB,
        })),
      ),
    );

  it.each(FATES)(
    'never revokes the new key, and says nothing that is not so: the home Region’s list is %s',
    async (fate) => {
      const failed: Record<string, string[]> = {};
      const left = withList(fate).map((fates, i) => ({ name: `${fate}-${i}`, fates }));
      await Promise.all(
        Array.from({ length: 12 }, async () => {
          for (let next = left.pop(); next; next = left.pop()) {
            const [ran, stage] = await revoke(next.name, next.fates);
            const found = faults(ran, stage);
            const inTime = !Object.values(next.fates).includes('late');
            if (inTime && next.fates['local-a keys.revoke'] === 'answered' && ran.code !== 0)
              found.push('the home Region did all of it');
            if (found.length > 0) failed[Object.values(next.fates).join(' ')] = found;
          }
        }),
      );
      expect(failed).toEqual({});
    },
  );
});
