/** An error in one setting. */
export interface ConfigFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
  /** False where the message says what to write, and the setting's example would mislead. */
  readonly example?: false;
}
