/**
 * The behaviour of Secrets Manager that a rotation needs, as one suite over the real adapter. The local one
 * and others must pass the same suite.
 */
import { randomUUID } from 'node:crypto';
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  PutSecretValueCommand,
  ReplicateSecretToRegionsCommand,
  type SecretsManagerClient,
  StopReplicationToReplicaCommand,
} from '@aws-sdk/client-secrets-manager';
import { beforeEach, describe, expect, it } from 'vitest';
import { Unavailable } from '../../lambda/adapters/call.ts';
import { createSecretVersions, type SecretVersions } from '../../lambda/adapters/secret-versions.ts';

export interface Engine {
  readonly name: string;
  /** Clients of the primary Region, and of one that has a replica. */
  readonly home: () => SecretsManagerClient;
  readonly away: () => SecretsManagerClient;
  /** Name of the other Region. */
  readonly replicateTo: string;
  /** Has StopReplicationToReplica. */
  readonly promotes: boolean;
  /**
   * Does with a version what AWS does and not every stand-in: one label on one version, one value for one
   * token.
   */
  readonly exact: boolean;
}

export function secretsManagerContract({ name, promotes, exact, ...regions }: Engine): void {
  const { home, away, replicateTo } = regions;
  describe(`secret versions on ${name}`, () => {
    let id: string;
    let secret: SecretVersions;
    let replica: SecretVersions;
    let first: string;

    beforeEach(async () => {
      id = `contract/${randomUUID()}`;
      const created = await home().send(new CreateSecretCommand({ Name: id, SecretString: 'first' }));
      first = created.VersionId!;
      const AddReplicaRegions = [{ Region: replicateTo }];
      await home().send(new ReplicateSecretToRegionsCommand({ SecretId: id, AddReplicaRegions }));
      secret = createSecretVersions(home(), id);
      replica = createSecretVersions(away(), id);
    });

    const holders = async () => {
      const { current, pending } = await secret.describe();
      return { current, pending };
    };

    it('a pending version does not change the current one, here and in a replica', async () => {
      const token = randomUUID();
      expect(await secret.put(token, 'next')).toBe(true);
      expect(await holders()).toEqual({ current: first, pending: token });
      for (const each of [secret, replica])
        expect(await each.read({ label: 'AWSCURRENT' })).toEqual({ versionId: first, text: 'first' });
      expect(await secret.read({ id: token })).toEqual({ versionId: token, text: 'next' });
      expect((await secret.read({ label: 'AWSPENDING' }))?.versionId).toBe(token);
    });

    it('a missing version is undefined, not an outage', async () => {
      expect(await secret.read({ id: randomUUID() })).toBeUndefined();
      expect(await secret.read({ label: 'AWSPENDING' })).toBeUndefined();
    });

    it('AWSCURRENT moves from the version that has it, and every Region reads the new one', async () => {
      const token = randomUUID();
      await secret.put(token, 'next');
      expect(await secret.move('AWSCURRENT', first, token)).toBe(true);
      expect((await secret.describe()).current).toBe(token);
      for (const each of [secret, replica])
        expect(await each.read({ label: 'AWSCURRENT' })).toEqual({ versionId: token, text: 'next' });
    });

    it('AWSCURRENT does not move from any other version: of two that compare and swap, one wins', async () => {
      const tokens = [randomUUID(), randomUUID()];
      for (const token of tokens) await secret.put(token, `by ${token}`);
      const moved = await Promise.all(tokens.map((token) => secret.move('AWSCURRENT', first, token)));
      expect(moved.filter(Boolean)).toHaveLength(1);
      expect((await secret.describe()).current).toBe(tokens[moved.indexOf(true)]);
      expect(await secret.move('AWSCURRENT', first, tokens[moved.indexOf(false)])).toBe(false);
    });

    it('AWSPENDING is removed once', async () => {
      const token = randomUUID();
      await secret.put(token, 'next');
      expect(await secret.move('AWSPENDING', token, undefined)).toBe(true);
      expect(await holders()).toEqual({ current: first, pending: undefined });
      expect(await secret.move('AWSPENDING', first, undefined)).toBe(false);
    });

    it('the time of the last change is reported', async () => {
      const before = (await secret.describe()).changedAtMs;
      expect(before).toBeGreaterThan(0);
      await secret.put(randomUUID(), 'next');
      expect((await secret.describe()).changedAtMs).toBeGreaterThanOrEqual(before);
    });

    it('a replica is read-only, and a missing secret cannot be described', async () => {
      await expect(replica.put(randomUUID(), 'x')).rejects.toThrow(Unavailable);
      await expect(replica.move('AWSCURRENT', first, randomUUID())).rejects.toThrow(Unavailable);
      await expect(createSecretVersions(home(), 'contract/none').describe()).rejects.toThrow(Unavailable);
    });

    it('a repeated put is the same version', async () => {
      const token = randomUUID();
      await secret.put(token, 'next');
      expect(await secret.put(token, 'next')).toBe(true);
      expect(await holders()).toEqual({ current: first, pending: token });
    });

    const replicasOf = async (client: SecretsManagerClient) =>
      (await client.send(new DescribeSecretCommand({ SecretId: id }))).ReplicationStatus ?? [];

    it('a replica names its primary, and the primary its replica', async () => {
      expect((await replica.describe()).primaryRegion).not.toBe(replicateTo);
      expect(await replicasOf(home())).toEqual([
        expect.objectContaining({ Region: replicateTo, Status: 'InSync' }),
      ]);
    });

    it('a secret of the same name becomes a replica only by force, and then follows', async () => {
      const twice = `contract/${randomUUID()}`;
      await away().send(new CreateSecretCommand({ Name: twice, SecretString: 'theirs' }));
      await home().send(new CreateSecretCommand({ Name: twice, SecretString: 'ours' }));
      const AddReplicaRegions = [{ Region: replicateTo }];
      const replicate = (ForceOverwriteReplicaSecret: boolean) =>
        home().send(
          new ReplicateSecretToRegionsCommand({
            SecretId: twice,
            AddReplicaRegions,
            ForceOverwriteReplicaSecret,
          }),
        );
      const there = createSecretVersions(away(), twice);
      await replicate(false).catch(() => {});
      expect((await there.read({ label: 'AWSCURRENT' }))?.text).toBe('theirs');
      await replicate(true);
      expect((await there.read({ label: 'AWSCURRENT' }))?.text).toBe('ours');
      expect((await there.describe()).primaryRegion).toBe((await replica.describe()).primaryRegion);
      await home().send(new PutSecretValueCommand({ SecretId: twice, SecretString: 'later' }));
      expect((await there.read({ label: 'AWSCURRENT' }))?.text).toBe('later');
      await expect(there.put(randomUUID(), 'x')).rejects.toThrow(Unavailable);
    });

    if (promotes) {
      const promote = () => away().send(new StopReplicationToReplicaCommand({ SecretId: id }));

      it('a promoted replica keeps its versions, is written, and no longer follows', async () => {
        await promote();
        expect(await replica.read({ label: 'AWSCURRENT' })).toEqual({ versionId: first, text: 'first' });
        expect([replicateTo, undefined]).toContain((await replica.describe()).primaryRegion);
        expect(await replicasOf(home())).toEqual([]);
        const token = randomUUID();
        expect(await replica.put(token, 'theirs')).toBe(true);
        expect(await replica.move('AWSCURRENT', first, token)).toBe(true);
        await home().send(new PutSecretValueCommand({ SecretId: id, SecretString: 'ours' }));
        expect((await replica.read({ label: 'AWSCURRENT' }))?.text).toBe('theirs');
        expect((await secret.read({ label: 'AWSCURRENT' }))?.text).toBe('ours');
      });

      it('what is no replica is not promoted', async () => {
        await expect(home().send(new StopReplicationToReplicaCommand({ SecretId: id }))).rejects.toThrow(
          expect.objectContaining({ name: 'InvalidRequestException' }),
        );
      });
    }

    if (exact) {
      it('one token has one value: the first one stays', async () => {
        const token = randomUUID();
        const puts = await Promise.all(['a', 'b'].map((text) => secret.put(token, text)));
        expect(puts.filter(Boolean)).toHaveLength(1);
        expect((await secret.read({ id: token }))?.text).toBe(puts[0] ? 'a' : 'b');
      });

      it('AWSPENDING belongs to one version: the next one takes it', async () => {
        const [one, two] = [randomUUID(), randomUUID()];
        await secret.put(one, '1');
        await secret.put(two, '2');
        expect(await holders()).toEqual({ current: first, pending: two });
        expect(await secret.move('AWSPENDING', one, undefined)).toBe(false);
      });

      it('a label that is replaced leaves AWSPREVIOUS behind', async () => {
        await home().send(new PutSecretValueCommand({ SecretId: id, SecretString: 'by hand' }));
        expect((await secret.describe()).current).not.toBe(first);
        expect(await secret.move('AWSCURRENT', first, first)).toBe(false);
      });
    }
  });
}
