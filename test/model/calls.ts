/** Calls of the store under a scheduler, which decides when each one arrives, commits and answers. */
import type { Carry } from '../../local/dynamodb/client.ts';
import { isWrite } from '../../local/dynamodb/dynamodb.ts';
import { DynamodbException } from '../../local/dynamodb/exception.ts';

/** The fate of one store call. `late`: the write lands after its caller has given up on it. */
export type Fate = 'answered' | 'throttled' | 'lost' | 'late' | 'ended';

export interface Schedule {
  /** Waits until the scheduler lets this happen. */
  readonly point: (label: string) => Promise<void>;
  /** The faults of the store calls, in the order in which they arrive. */
  readonly fates: () => Fate;
  readonly onCall: () => void;
}

const ATTEMPTS = 3;

/** @returns a carrier that sends a call as the SDK does: again if it was throttled or got no answer */
export function scheduledCalls({ point, fates, onCall }: Schedule): Carry {
  const sent: Carry = async ({ region, operation, input }, store) => {
    const label = `${operation} in ${region}`;
    const fate = fates();
    onCall();
    await point(`${label} arrives`);
    if (fate === 'ended') return new Promise(() => {});
    if (fate === 'throttled')
      throw new DynamodbException('ProvisionedThroughputExceededException', 'too fast');
    if (fate === 'late') {
      void point(`${label} lands late`).then(() => {
        try {
          store.ask(region, operation, input);
        } catch {
          // Nobody waits for it.
        }
      });
      throw timeout();
    }
    let answer: object;
    if (isWrite(operation)) {
      const write = store.begin(region, operation, input);
      await point(`${label} commits`);
      answer = write.commit();
    } else answer = store.ask(region, operation, input);
    await point(`${label} answers`);
    if (fate === 'lost') throw timeout();
    return answer;
  };
  return async (call, store) => {
    for (let attempt = 1; ; attempt++)
      try {
        return await sent(call, store);
      } catch (error) {
        const { name, status = 500 } = error as DynamodbException;
        const again = name === 'ProvisionedThroughputExceededException' || status >= 500;
        if (!again || attempt === ATTEMPTS) throw error;
      }
  };
}

const timeout = () => Object.assign(new Error('no answer'), { name: 'TimeoutError', status: 500 });
