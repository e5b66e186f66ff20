/** Replaces the wire name of a bad parameter, which functions report, by the option or argument that a person typed. */
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

/** @param detail `detail` of a problem, which may hold `params.<name>` */
export const asTyped = (detail: string): string =>
  detail.replace(/\bparams\.(\w+)/g, (_, param: string) =>
    Object.hasOwn(TYPED, param) ? TYPED[param]! : param,
  );
