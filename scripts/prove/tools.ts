/** The tools of a step: the product's own commands, in the place where the stage is. */
import type { CountersignClient } from '../../sdk/typescript/index.ts';

/** A part that a step needs, and that the place where it runs may lack. */
export type Need =
  | 'account'
  | 'alarms'
  | 'domain'
  | 'generations'
  | 'promotion'
  | 'aws command'
  | 'FIS role'
  | 'Vault token';

/** The reason for each part that the place lacks. It has every other. */
export type Lacks = { readonly [need in Need]?: string };

/** Settings that a step changes in the stage's config. */
export interface Changes {
  readonly keys?: { readonly managedBy: string };
  readonly tables?: { readonly generation?: number; readonly other?: { readonly generation: number } };
}

export interface Ran {
  readonly code: number;
  /** The document that the command printed; undefined if it printed none. */
  // biome-ignore lint/suspicious/noExplicitAny: a step reads what the command documents
  readonly json: any;
}

/** Where a stage is: an account, or the emulator. */
export interface Place {
  readonly stage: string;
  /** The home Region first. */
  readonly regions: readonly { readonly name: string; readonly url: string }[];
  /** URL of the name that leads to the nearest healthy Region. */
  readonly entry?: string;
  readonly lacks: Lacks;
  /** Texts that identify the account, for the log to leave out. */
  readonly private: readonly string[];
  /** Folder and environment of the commands. */
  readonly directory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly vaultSetup: readonly string[];
  readonly fisRole?: string;
  /** For AWS SDK clients. */
  aws(region: string): { readonly region: string; readonly endpoint?: string };
  bootstrap(): Promise<void>;
  deploy(changes?: Changes): Promise<void>;
  destroy(): Promise<void>;
  /** Lets writes of one Region arrive in the others, where nothing else does. */
  replicate(): Promise<void>;
  stop(): Promise<void>;
}

export interface Tools extends Pick<Place, 'stage' | 'regions' | 'entry' | 'vaultSetup' | 'fisRole'> {
  readonly home: string;
  /** The last Region. */
  readonly away: string;
  readonly bootstrap: Place['bootstrap'];
  readonly deploy: Place['deploy'];
  readonly destroy: Place['destroy'];
  readonly replicate: Place['replicate'];
  /** Deletes the client that this run made, if it made one. */
  deleteClient(): Promise<void>;
  /** A client of the SDK that uses this Region alone. `sent` gets each request to register. */
  client(region: string, sent?: (request: Request) => void): Promise<CountersignClient>;
  /** Runs `countersign … --json` on the stage. @throws for an exit code that is not in `codes` */
  countersign(args: readonly string[], codes?: readonly number[]): Promise<Ran>;
  /** Runs a command of the project, such as `countersign deploy`. */
  project(args: readonly string[], codes?: readonly number[]): Promise<Ran>;
  /** Runs AWS's own command line in a Region. @returns the document that it prints */
  // biome-ignore lint/suspicious/noExplicitAny: a step reads what the command documents
  awsCommand(region: string, args: readonly string[]): Promise<any>;
  /** Names of the stacks that exist and begin so, in every Region; by default those of the stage. */
  stacks(prefix?: string): Promise<string[]>;
  /** Keeps a text for a later step, also of a later run. */
  remember(name: string, text: string): void;
  recall(name: string): string | undefined;
  /** Repeats a look until it is true. @returns false if it still is not after this time */
  until(what: string, seconds: number, look: () => Promise<boolean>): Promise<boolean>;
}
