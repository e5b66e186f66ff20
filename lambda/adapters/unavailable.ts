/** A store or a keyset cannot be reached: the answer is 503, since nothing is registered without replay protection. */
export class Unavailable extends Error {
  /** @param part what could not be reached; the cause stays out of the message, which is logged */
  constructor(part: string, cause?: unknown) {
    super(`${part} unavailable`, { cause });
    this.name = 'Unavailable';
  }
}
