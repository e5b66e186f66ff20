/** The functions name a bad parameter as it is on the wire; a person knows the option or argument. */
const TYPED: Readonly<{ [param: string]: string }> = {
  client_id: 'the client',
  expires_at: '--expires-at',
  jwk: '--jwk',
  kids: '--only-kid',
  limit: '--limit',
  nonce: "the proof's nonce",
  overlap_s: '--overlap',
  profile: '--profile',
};

/** @param detail of a problem */
export const asTyped = (detail: string): string =>
  detail.replace(/\bparams\.(\w+)/g, (_, param: string) =>
    Object.hasOwn(TYPED, param) ? TYPED[param]! : param,
  );
