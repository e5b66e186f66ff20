/** Events of the platform on one machine, from a client's request to each Region's table. */
import { setTimeout as delay } from 'node:timers/promises';
import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { expect, it } from 'vitest';
import { tableName } from '../../lambda/contract/names.ts';
import { startPlatform } from '../../local/platform.ts';
import { STAGE } from '../../local/stage.ts';
import { CountersignClient } from '../../sdk/typescript/index.ts';

it.each(['strong', 'eventual'] as const)(
  '%s: every Region has each change once, with one id',
  async (consistency) => {
    const platform = await startPlatform({ port: 0, consistency });
    const { info } = platform;
    const [{ api_key }] = info.clients as [(typeof info.clients)[number]];
    const client = new CountersignClient({ url: info.entry, apiKey: api_key });
    const tables = info.regions.map(({ name: region }) => {
      const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
      return new DynamoDBClient({ region, endpoint: info.awsEndpoint, credentials });
    });
    const eventsIn = async (db: DynamoDBClient) => {
      const { Items = [] } = await db.send(new ScanCommand({ TableName: tableName(STAGE, 'events') }));
      const own = Items.filter(({ pk, data }) => pk!.S === 'dev' && data);
      return own.map(({ type, id }) => [type!.S, id!.S]);
    };
    try {
      const { id } = await client.register({ user_id: 'ada' });
      await client.delete(id);
      let found = await Promise.all(tables.map(eventsIn));
      while (found.some((list) => list.length < 2)) {
        await delay(50);
        found = await Promise.all(tables.map(eventsIn));
      }
      expect(found[0]!.map(([type]) => type)).toEqual(['registration.created', 'registration.deleted']);
      expect(found[1]).toEqual(found[0]);
    } finally {
      for (const db of tables) db.destroy();
      await client.close();
      await platform.stop();
    }
  },
);
