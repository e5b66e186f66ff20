/** The calls of a drill's clients, and the losses and duplicates found. */

/** A request to register. */
export interface Attempt {
  readonly region: string;
  readonly startMs: number;
  readonly endMs: number;
  /** `refused`: with a problem. `failed`: no answer. */
  readonly outcome: 'acknowledged' | 'refused' | 'failed';
  /** Of the refusal. */
  readonly code?: string | undefined;
}

/** A call of a client to register one user: one attempt or several. */
export interface Call {
  readonly userId: string;
  /** The Region that the client prefers. */
  readonly prefers: string;
  readonly endMs: number;
  readonly attempts: readonly Attempt[];
  /** Requests for a nonce, and attempts, that got no answer. */
  readonly transportFailures: number;
  readonly acknowledged?: Acknowledged;
  /** The error's code, where the call failed. */
  readonly error?: string;
}

export interface Acknowledged {
  readonly id: string;
  readonly createdAt: string;
  /** The Region that answered. */
  readonly region: string;
}

export type AcknowledgedCall = Call & { readonly acknowledged: Acknowledged };
const isAcknowledged = (call: Call): call is AcknowledgedCall => call.acknowledged !== undefined;

/** A moment of the drill that the report shows. */
export interface Mark {
  readonly atMs: number;
  readonly text: string;
}

export class History {
  readonly startMs = performance.now();
  readonly calls: Call[] = [];
  readonly marks: Mark[] = [];
  readonly #said: (text: string) => void;

  /** @param said gets each mark when it is made: a drill takes a while */
  constructor(said: (text: string) => void = () => {}) {
    this.#said = said;
  }

  /** Acknowledged users that a Region did not have afterwards. */
  readonly lost = new Set<string>();
  /** Acknowledged users that could not be read afterwards: whether they are lost is not known. */
  readonly unread = new Set<string>();
  /** Acknowledged users whose event a Region did not have; undefined where no events were read. */
  missed: Set<string> | undefined;
  /** Requests that were accepted twice, and users with two registrations. */
  readonly duplicated = new Set<string>();
  /** Regions that have answered no request that was repeated at the end. */
  readonly unrepeated = new Set<string>();
  /** Promises that did not hold, in words. */
  readonly broken: string[] = [];

  /** Times of the history are milliseconds from its start. */
  now(): number {
    return performance.now() - this.startMs;
  }

  mark(text: string): number {
    const atMs = this.now();
    this.marks.push({ atMs, text });
    this.#said(text);
    return atMs;
  }

  acknowledged(): AcknowledgedCall[] {
    return this.calls.filter(isAcknowledged);
  }

  failed(): Call[] {
    return this.calls.filter(({ error }) => error !== undefined);
  }

  maxAttempts(): number {
    return this.calls.reduce((most, { attempts }) => Math.max(most, attempts.length), 0);
  }

  /** Compares what a Region has of a user with what was acknowledged. */
  compare({ userId, acknowledged }: AcknowledgedCall, createdAt: string): void {
    if (createdAt !== acknowledged.createdAt) this.duplicated.add(`${userId} has two registrations`);
  }
}
