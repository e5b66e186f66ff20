/**
 * Runs in a measured process: answers the questions of the measuring process, over the channel between them.
 */

// biome-ignore lint/suspicious/noExplicitAny: each side knows what it asks
export type Asks = Readonly<Record<string, (param: any) => unknown>>;

export interface Asked {
  readonly id: number;
  readonly name: string;
  readonly param: unknown;
}

export type Answered = { readonly id: number } & ({ readonly value: unknown } | { readonly error: string });

/** Serves `asks` until the channel closes, which ends the process. */
export function answerAsks(asks: Asks): void {
  process.on('disconnect', () => process.exit());
  process.on('message', async ({ id, name, param }: Asked) => {
    try {
      process.send?.({ id, value: await asks[name]!(param) } satisfies Answered);
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  });
  process.send?.('ready');
}
