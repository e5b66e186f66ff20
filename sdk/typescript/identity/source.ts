/** Where a workload gets its platform's identity token from (docs/enrolment.md). */

/** What the token is asked for. */
export interface IdentityWish {
  /** `aud` of the token: it names the key that the client has just made. */
  readonly audience: string;
  /** Ends the wait. */
  readonly signal: AbortSignal;
}

/** @returns an identity token of the platform, for this audience */
export type IdentitySource = (wish: IdentityWish) => string | Promise<string>;

/** `auto`: the platform that the environment's variables name. */
export type Platform = 'auto' | 'aws' | 'github' | 'kubernetes';

export type Identity = Platform | IdentitySource;

export const PLATFORMS: readonly Platform[] = ['auto', 'aws', 'github', 'kubernetes'];
