/** A store or a keyset cannot be reached, so the answer is 503: no registration without replay protection. */
export class Unavailable extends Error {
  /** @param part what could not be reached; the cause stays out of the message, which is logged */
  constructor(part: string, cause?: unknown) {
    super(`${part} unavailable`, { cause });
    this.name = 'Unavailable';
  }
}
