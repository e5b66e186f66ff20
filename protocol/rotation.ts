/**
 * Rotation: the content of the next keyset, and the time when it may become the current one. No valid
 * signature is ever refused, and no revoked key comes back (docs/key-life-cycle.md).
 *
 *     made          published                    signs                              removed
 *      │──── X ─────────│──── L ── V ── 2E ────────│──── L ── S ── D ── E ────────────│
 *      createSecret     finishSecret, at the latest   activates_at(new)                  retires_at(old)
 *
 * Pure: the clock, the key and its kid are passed in. Times are epoch milliseconds.
 */
import { fingerprint, materialFault } from './key-material.ts';
import { type KeyLags, keyWindows } from './key-windows.ts';
import { FORMAT_VERSION, type Keyset, type KeysetKey, signingKey, verificationKeys } from './keyset.ts';

/** The key that a rotation adds. Its times follow from the keyset. */
export type NewKey = Pick<KeysetKey, 'kid' | 'alg' | 'jwk' | 'vault'>;

/**
 * A keyset holds at most this many keys, and remembers this many revoked ones for ever by kid and
 * fingerprint. At their longest they take less than `MAX_KEYSET_BYTES`; a secret of Secrets Manager holds
 * 65,536 bytes.
 */
export const MAX_KEYS = 32;
export const MAX_REVOKED = 1_024;
export const MAX_KEYSET_BYTES = 60 * 1_024;

const FULL = 'docs/key-life-cycle.md, A keyset that is full';

/** Facts that the current keyset may lack, because another Region recorded them. */
export interface Recalled {
  readonly seq: number;
  readonly revoked: readonly string[];
  readonly fingerprints: readonly string[];
}

/**
 * @returns the keyset that the next one follows. It has the highest `seq`, so that every reader accepts the
 * next one. It also remembers keys that were revoked elsewhere, as long as there is room for a full keyset's
 * keys. Its own keys stay: only a revocation ends them
 */
export function recalled(current: Keyset, { seq, revoked, fingerprints }: Recalled): Keyset {
  const room = MAX_REVOKED - Math.max(MAX_KEYS, current.keys.length) - 1;
  const gone = revoked.filter((kid) => !current.keys.some((key) => key.kid === kid));
  return {
    ...current,
    seq: Math.max(current.seq, seq),
    revoked: remembered(current.revoked, gone, room),
    fingerprints: remembered(current.fingerprints, fingerprints, room),
  };
}

/**
 * Asked before a key is made for an ordinary rotation. The rotation must leave room to revoke every key that
 * is held, so that an emergency never finds the keyset full.
 *
 * @returns the reason why none may follow, or undefined
 */
export function rotationRefusal(current: Keyset, lags: KeyLags, nowMs: number): string | undefined {
  const kept = current.keys.filter((key) => !isGone(key, lags, nowMs));
  if (kept.length >= MAX_KEYS) {
    const firstMs = Math.min(...kept.map((key) => key.retires_at ?? Number.POSITIVE_INFINITY));
    const after = new Date(firstMs + 2 * lags.clockErrorMs).toISOString();
    return `the keyset holds ${MAX_KEYS} keys, which is the most: the first of them goes at ${after}`;
  }
  const remembered = Math.max(current.revoked.length, current.fingerprints.length);
  if (remembered + kept.length < MAX_REVOKED) return undefined;
  return `the keyset remembers ${remembered} revoked keys of at most ${MAX_REVOKED}, and drops none: ${FULL}`;
}

/**
 * The keyset of a rotation. If a Region refuses a key of the current keyset, a revocation was not completed:
 * then the keyset of that revocation.
 *
 * @param refused the kids that any Region refuses
 */
export function followingKeyset(
  current: Keyset,
  versionId: string,
  newKey: NewKey,
  lags: KeyLags,
  nowMs: number,
  refused: readonly string[],
): Keyset {
  const ended = current.keys.flatMap(({ kid }) => (refused.includes(kid) ? [kid] : []));
  if (ended.length === 0) return nextKeyset(current, versionId, newKey, lags, nowMs);
  return revokedKeyset(current, versionId, newKey, lags, nowMs, ended);
}

/**
 * The keyset of an ordinary rotation: publish first, sign later, remove last. The first key of a keyset signs
 * at once.
 *
 * @param versionId the secret's version that holds `current`
 */
export function nextKeyset(
  current: Keyset,
  versionId: string,
  newKey: NewKey,
  lags: KeyLags,
  nowMs: number,
): Keyset {
  const kept = current.keys.filter((key) => !isGone(key, lags, nowMs));
  return withKey(
    { ...current, keys: kept },
    versionId,
    newKey,
    lags,
    nowMs,
    newestKey(current) === undefined,
  );
}

/**
 * The keyset of an emergency: the old keys are revoked and removed. Keys that do not sign yet are among them,
 * since the same secret held them. The new key signs at once, unless a spared key signs now or will sign. A
 * key that signs in the place of a revoked one signs longer, so it retires later by that much.
 *
 * @param onlyKids spares every other key; @default all kids of the keyset
 */
export function revokedKeyset(
  current: Keyset,
  versionId: string,
  newKey: NewKey,
  lags: KeyLags,
  nowMs: number,
  onlyKids: readonly string[] = current.keys.map(({ kid }) => kid),
): Keyset {
  const ended = current.keys.filter(({ kid }) => onlyKids.includes(kid));
  const revoked = [...new Set([...current.revoked, ...onlyKids])];
  const fingerprints = [...new Set([...current.fingerprints, ...ended.map(({ jwk }) => fingerprint(jwk))])];
  const kept = current.keys.filter((key) => !onlyKids.includes(key.kid) && !isGone(key, lags, nowMs));
  return withKey(
    { ...current, revoked, fingerprints, keys: kept },
    versionId,
    newKey,
    lags,
    nowMs,
    signsAtOnce(current, onlyKids, nowMs),
  );
}

/**
 * All of `must`, and as much of `may` as fits into `most`: nothing in another version prevents a revocation.
 */
const remembered = (must: readonly string[], may: readonly string[], most: number): string[] => {
  const kept = new Set(must);
  for (const each of may) if (kept.size < most) kept.add(each);
  return [...kept];
};

/**
 * The rules that `testSecret` checks in every pending keyset.
 *
 * @returns the faults, without any value of a key; empty where there is none
 */
export function checkPending(
  current: Keyset,
  versionId: string,
  pending: Keyset,
  lags: KeyLags,
  nowMs: number,
): string[] {
  const faults = sizeFaults(current, pending);
  if (pending.version !== FORMAT_VERSION) faults.push('another format version');
  if (pending.seq <= current.seq) faults.push('seq does not follow');
  if (pending.based_on !== versionId) faults.push('based on another version');

  const kids = pending.keys.map(({ kid }) => kid);
  if (new Set(kids).size < kids.length) faults.push('a kid occurs twice');
  if (kids.some((kid) => pending.revoked.includes(kid))) faults.push('holds a revoked key');
  if (current.revoked.some((kid) => !pending.revoked.includes(kid))) faults.push('revoked kids are not kept');
  const ended = current.keys.filter(({ kid }) => pending.revoked.includes(kid));
  const known = [...current.fingerprints, ...ended.map(({ jwk }) => fingerprint(jwk))];
  if (known.some((each) => !pending.fingerprints.includes(each))) faults.push('fingerprints are not kept');

  for (const key of verificationKeys(current, nowMs)) {
    const kept = pending.keys.find(({ kid }) => kid === key.kid);
    if (!kept && !pending.revoked.includes(key.kid)) faults.push(`live key ${key.kid} is missing`);
    if (kept && !isSameKey(key, kept)) faults.push(`key ${key.kid} was changed`);
  }

  const added = pending.keys.filter(({ kid }) => !current.keys.some((key) => key.kid === kid));
  const newest = newestKey(pending);
  if (added.length !== 1 || newest !== added[0]) faults.push('the newest key is not the one that was added');
  for (const { kid, alg, jwk } of added) {
    // The pending keyset may remember more than the current one, which somebody may have emptied.
    const before = { ...current, fingerprints: [...current.fingerprints, ...pending.fingerprints] };
    const fault = materialFault(jwk, alg) ?? (isKnown(before, jwk) ? 'was used before' : undefined);
    if (fault !== undefined) faults.push(`the material of key ${kid} ${fault}`);
  }
  if (newest?.retires_at !== null) faults.push('the newest key retires');
  if (pending.keys.some((key) => key !== newest && key.retires_at === null))
    faults.push('an older key never retires');
  if (faults.length > 0 || !newest) return faults;
  return windowFaults(current, pending, newest, lags, nowMs);
}

/**
 * Whether a pending keyset may still become the current one: every verifier must hold its new key before any
 * signer uses it. The first key of a keyset does not wait, nor does the key of an emergency.
 */
export function mayFinish(current: Keyset, pending: Keyset, lags: KeyLags, nowMs: number): boolean {
  const newest = newestKey(pending);
  if (!newest) return false;
  return (
    signsAtOnce(current, pending.revoked, nowMs) ||
    nowMs + keyWindows(lags).finishMarginMs <= newest.activates_at
  );
}

/** @returns whether a held or a revoked key has the same material */
export const isKnown = ({ keys, fingerprints }: Keyset, jwk: KeysetKey['jwk']): boolean =>
  [...fingerprints, ...keys.map((key) => fingerprint(key.jwk))].includes(fingerprint(jwk));

/**
 * A keyset of an older release may hold more keys already: it may not grow, and a revocation makes it fit.
 */
function sizeFaults(current: Keyset, pending: Keyset): string[] {
  const faults: string[] = [];
  if (pending.keys.length > Math.max(MAX_KEYS, current.keys.length))
    faults.push(`holds more than ${MAX_KEYS} keys`);
  if (Math.max(pending.revoked.length, pending.fingerprints.length) > MAX_REVOKED)
    faults.push(`remembers more than ${MAX_REVOKED} revoked keys: ${FULL}`);
  if (Buffer.byteLength(JSON.stringify(pending)) > MAX_KEYSET_BYTES)
    faults.push(`is larger than ${MAX_KEYSET_BYTES} bytes`);
  return faults;
}

/** Adds a key after those that are kept, and sets when the key before it retires. */
function withKey(
  base: Keyset,
  versionId: string,
  newKey: NewKey,
  lags: KeyLags,
  nowMs: number,
  atOnce: boolean,
): Keyset {
  const followed = newestKey(base);
  const due = atOnce ? nowMs : nowMs + keyWindows(lags).publishToSignMs;
  // Never before the key that it follows, which a longer window may have put further ahead: each key signs
  // once.
  const activates_at = followed ? Math.max(due, followed.activates_at + 1) : due;
  const added = { ...newKey, activates_at, retires_at: null, max_life: lags.maxLifeMs };
  const all = [...base.keys, added];
  const keys = base.keys.map((key) => ({ ...key, retires_at: retirement(key, all, lags, nowMs) }));
  return {
    version: FORMAT_VERSION,
    seq: base.seq + 1,
    based_on: versionId,
    revoked: base.revoked,
    fingerprints: base.fingerprints,
    keys: [...keys, added],
  };
}

/**
 * A key retires once its successor signs and all that it signed has expired. A key that signs no more keeps
 * its time.
 */
function retirement(key: KeysetKey, all: readonly KeysetKey[], lags: KeyLags, nowMs: number): number {
  const due = dueRetirement(key, all, lags);
  if (key.retires_at === null) return due;
  return maySign(key, all, nowMs) ? Math.max(key.retires_at, due) : key.retires_at;
}

const dueRetirement = (key: KeysetKey, all: readonly KeysetKey[], lags: KeyLags): number =>
  successorAt(key, all) + removalMs(key, lags);

/** Whether a key signs, now or later: it verifies, and its successor does not sign yet. */
const maySign = (key: KeysetKey, all: readonly KeysetKey[], nowMs: number): boolean =>
  successorAt(key, all) > nowMs && (key.retires_at === null || key.retires_at > nowMs);

/** When the next key begins to sign. */
const successorAt = ({ activates_at }: KeysetKey, all: readonly KeysetKey[]): number =>
  Math.min(...all.map((each) => each.activates_at).filter((at) => at > activates_at));

/** The key that the next one follows. */
function newestKey({ keys, revoked }: Keyset): KeysetKey | undefined {
  const live = keys.filter(({ kid }) => !revoked.includes(kid));
  return live.reduce<KeysetKey | undefined>(
    (newest, key) => (newest && newest.activates_at > key.activates_at ? newest : key),
    undefined,
  );
}

/**
 * Whether a new key must sign at once: no key signs, or the one that signs is revoked and no newer one is
 * spared.
 */
function signsAtOnce(current: Keyset, revoked: readonly string[], nowMs: number): boolean {
  const signing = signingKey(current, nowMs);
  if (!signing) return true;
  const spared = newestKey({ ...current, revoked: [...current.revoked, ...revoked] });
  return !spared || spared.activates_at < signing.activates_at;
}

/** Whether a key is retired by every machine's clock: nobody notices that it is dropped. */
const isGone = (key: KeysetKey, { clockErrorMs }: KeyLags, nowMs: number): boolean =>
  key.retires_at !== null && key.retires_at + 2 * clockErrorMs <= nowMs;

/** From the successor's `activates_at` to this key's `retires_at`, with the D that the key was made with. */
const removalMs = (key: KeysetKey, lags: KeyLags): number =>
  keyWindows({ ...lags, maxLifeMs: key.max_life }).signToRemoveMs;

function windowFaults(
  current: Keyset,
  pending: Keyset,
  newest: KeysetKey,
  lags: KeyLags,
  nowMs: number,
): string[] {
  const faults: string[] = [];
  if (!mayFinish(current, pending, lags, nowMs)) faults.push('the new key would sign too early');
  for (const key of pending.keys) {
    if (key === newest) continue;
    // checkPending has found it in both keysets, with a `retires_at`.
    const before = current.keys.find(({ kid }) => kid === key.kid)!;
    const late = key.retires_at! >= Math.max(dueRetirement(key, pending.keys, lags), before.retires_at ?? 0);
    // The pending keyset is up to X old and has another clock's times: the key may still have had to sign
    // then.
    const extended =
      late && maySign(before, pending.keys, nowMs - lags.rotationTimeMs - 2 * lags.clockErrorMs);
    const kept = before.retires_at === key.retires_at;
    if (kept ? !late && maySign(key, pending.keys, nowMs + 2 * lags.clockErrorMs) : !extended)
      faults.push(`key ${key.kid} retires at a wrong time`);
  }
  return faults;
}

/** Whether two keys agree in all but `retires_at`, which a rotation sets. */
function isSameKey(a: KeysetKey, b: KeysetKey): boolean {
  const fixed = ({ kid, alg, activates_at, max_life, jwk }: KeysetKey) =>
    JSON.stringify([kid, alg, activates_at, max_life, Object.entries(jwk).sort()]);
  return fixed(a) === fixed(b);
}
