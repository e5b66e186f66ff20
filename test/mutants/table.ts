/**
 * The code that gives each guarantee, taken out: with any one of these changes a test must fail. The names are
 * those of docs/guarantees.md.
 */
export interface Mutant {
  readonly guarantee: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** The tests that must notice. */
  readonly tests: string;
}

const mutant = (guarantee: string, file: string, find: string, replace: string, tests: string): Mutant => ({
  guarantee,
  file,
  find,
  replace,
  tests,
});

const REPLAY = 'test/lambda/replay.test.ts';
const CHECKS = 'test/lambda/checks.test.ts';
const BODIES = 'test/lambda/bodies.test.ts';
const TOMBSTONES = 'test/lambda/tombstones.test.ts';
const CLIENTS = 'test/lambda/clients.test.ts';
const NONCE = 'test/lambda/nonce.test.ts';
const LOGS = 'test/lambda/logs.test.ts';
const QUOTA = 'test/lambda/quota.test.ts';
const REVOCATION = 'test/lambda/revocation.test.ts';
const ROTATE_KEY = 'test/lambda/rotate-key.test.ts';
const OPERATED = 'test/lambda/registrations-admin.test.ts';
const RESUME = 'test/cli/resume.test.ts';
const LEASES = 'test/protocol/quota.test.ts';
const STORES = 'test/contract/dynalite.test.ts';
const VECTORS = 'test/protocol/vectors.test.ts';

const ledger = 'lambda/adapters/ledger.ts';
const registry = 'lambda/adapters/registry.ts';
const nonce = 'protocol/nonce.ts';
const claims = 'protocol/proof/claims.ts';
const verify = 'protocol/proof/verify.ts';
const form = 'protocol/proof/form.ts';
const request = 'protocol/proof/request.ts';

export const MUTANTS: readonly Mutant[] = [
  mutant(
    'at-most-once',
    ledger,
    'attribute_not_exists(pk) OR w = :w',
    'attribute_exists(pk) OR :w = :w OR attribute_not_exists(pk)',
    REPLAY,
  ),
  mutant(
    'unclear-answer',
    ledger,
    'attribute_not_exists(pk) OR w = :w',
    'attribute_not_exists(pk) OR (attribute_exists(w) AND w <> w) OR :w = w AND attribute_not_exists(w)',
    REPLAY,
  ),
  mutant(
    'unclear-answer',
    'lambda/handlers/register.ts',
    "randomBytes(16).toString('base64url')",
    "proof.jti ?? randomBytes(16).toString('base64url')",
    REPLAY,
  ),
  mutant('region-bound', nonce, 'content.region === check.region &&', '', VECTORS),
  mutant(
    'region-bound',
    nonce,
    "lengthPrefixed('countersign/nonce-key/v1', region, ledgerTable)",
    "lengthPrefixed('countersign/nonce-key/v1', region)",
    REPLAY,
  ),
  mutant(
    'client-bound',
    nonce,
    'return CLIENT_AT + scratch.write(clientId, CLIENT_AT);',
    'return CLIENT_AT + scratch.write(clientId.replace(/./g, "x"), CLIENT_AT);',
    VECTORS,
  ),
  mutant(
    'own-life',
    nonce,
    'check.nowMs <= content.issuedMs + content.lifeMs',
    'check.nowMs <= content.issuedMs + 3_600_000',
    REPLAY,
  ),
  mutant(
    'own-life',
    'protocol/ledger.ts',
    '(nonce.issuedMs + nonce.lifeMs + MARGIN_MS)',
    '(nonce.issuedMs + MARGIN_MS)',
    STORES,
  ),
  mutant(
    'nonce-from-the-future',
    nonce,
    'content.issuedMs <= check.nowMs + check.clockErrorMs &&',
    '',
    CHECKS,
  ),
  mutant(
    'nonce-mac',
    nonce,
    'timingSafeEqual(scratch.subarray(end, end + MAC_BYTES), bytes.subarray(-MAC_BYTES)) &&',
    '',
    VECTORS,
  ),
  mutant(
    'canonical-form',
    form,
    "if (!headerBytes || !payloadBytes || !signature) return refuse('malformed_proof', 'base64url');",
    "if (!headerBytes || !payloadBytes) return refuse('malformed_proof', 'base64url');",
    CHECKS,
  ),
  mutant(
    'header-members',
    form,
    "members === 'alg,kid,typ' && typeof header.kid === 'string' ? 'strict' : undefined",
    "'strict'",
    CHECKS,
  ),
  mutant(
    'signature',
    verify,
    "if (!signed) return refuse('invalid_proof', 'signature');",
    "if (!signed) return refuse('use_nonce', 'signature');",
    CHECKS,
  ),
  mutant(
    'profile',
    'protocol/client.ts',
    'if (client?.profile !== proof.profile) return [];',
    'if (!client) return [];',
    VECTORS,
  ),
  mutant(
    'one-alg-per-key',
    'protocol/client.ts',
    'client.keys.filter((key) => key.alg === proof.alg)',
    '[...client.keys]',
    VECTORS,
  ),
  mutant(
    'order',
    verify,
    "if (client.disabled) return failed(refuse('client_disabled', 'client_disabled'));",
    '',
    CLIENTS,
  ),
  mutant(
    'key-expiry',
    verify,
    "if (!isUsable(client, key, context.nowMs)) return failed(refuse('key_expired', 'client_key'));",
    '',
    CLIENTS,
  ),
  mutant('fresh-read', verify, 'for (const fresh of [false, true])', 'for (const fresh of [false])', CLIENTS),
  mutant(
    'claims-aud',
    claims,
    "if (aud !== context.issuer) return refuse('invalid_proof', 'aud');",
    '',
    CHECKS,
  ),
  mutant(
    'claims-jti',
    claims,
    "if (typeof jti !== 'string' || jti.length < 16 || jti.length > 64) return refuse('invalid_proof', 'jti');",
    '',
    CHECKS,
  ),
  mutant(
    'binding-htm',
    claims,
    "if (htm !== context.method) return refuse('invalid_proof', 'htm');",
    '',
    CHECKS,
  ),
  mutant(
    'binding-htu',
    claims,
    "if (!context.baseUrls.some((url) => htu === url + context.path)) return refuse('invalid_proof', 'htu');",
    '',
    CHECKS,
  ),
  mutant(
    'binding-body',
    claims,
    "if (fingerprint !== bodyFingerprint(context.body)) return refuse('invalid_proof', 'fingerprint');",
    '',
    CHECKS,
  ),
  mutant(
    'times-exp',
    claims,
    "if (exp + LEEWAY_S <= nowS) return refuse('clock_skew', 'exp_past');",
    '',
    CHECKS,
  ),
  mutant(
    'times-iat',
    claims,
    "if (isTime(iat) && iat > nowS + LEEWAY_S) return refuse('clock_skew', 'iat_ahead');",
    '',
    CHECKS,
  ),
  mutant(
    'times-nbf',
    claims,
    "if (isTime(nbf) && nbf > nowS + LEEWAY_S) return refuse('clock_skew', 'nbf_ahead');",
    '',
    CHECKS,
  ),
  mutant(
    'times-life',
    claims,
    "return exp > latest ? refuse('invalid_proof', 'exp_too_late') : undefined;",
    'return undefined;',
    CHECKS,
  ),
  mutant(
    'read-proof',
    claims,
    "if (context.purpose === 'read' && 'nonce' in claims) return refuse('invalid_proof', 'nonce_on_read');",
    '',
    CHECKS,
  ),
  mutant(
    'basic-profile',
    claims,
    "if (proof.profile === 'basic' && context.purpose === 'delete') return refuse('not_allowed', 'basic_delete');",
    '',
    CHECKS,
  ),
  mutant(
    'bad-input',
    request,
    "if (request.body.length > MAX_BODY_BYTES) return refuse('body_too_large', 'body_bytes');",
    '',
    BODIES,
  ),
  mutant(
    'bad-input',
    request,
    "return refuse('unsupported_media_type', 'content_type');",
    'return { ok: true, token: "" };',
    BODIES,
  ),
  mutant(
    'one-authorization',
    request,
    "if (authorization.length !== 1) return refuse('malformed_request', 'authorization_count');",
    '',
    CHECKS,
  ),
  mutant(
    'one-authorization',
    'lambda/http/event.ts',
    '[...(merged.get(key) ?? []), ...list]',
    'list',
    CHECKS,
  ),
  mutant(
    'bad-input',
    'protocol/json.ts',
    "if (names.has(string) || (refuseProto && string === '__proto__')) return false;",
    '',
    BODIES,
  ),
  mutant('bad-input', 'protocol/json.ts', 'if (!string.isWellFormed()) return false;', '', BODIES),
  mutant('bad-input', 'protocol/json.ts', '> maxDepth) return false;', '> 1e9) return false;', BODIES),
  mutant(
    'one-path',
    'lambda/http/event.ts',
    'hasId && event.path === routed ? routed : undefined',
    'routed',
    CHECKS,
  ),
  mutant('no-query', 'lambda/proof-gate.ts', 'request.query.size > 0', 'request.query.size > 99', CHECKS),
  mutant(
    'bad-body-spends-nothing',
    'lambda/handlers/register.ts',
    'if (!body.ok) return answer(body);',
    "if (!body.ok) { await ledger.consume({ nonce: proof.nonce!, jti: proof.jti, w: 'x' }); return answer(body); }",
    CHECKS,
  ),
  mutant(
    'idempotent',
    registry,
    "if (outcome.kind !== 'stored') return outcome;",
    "return { kind: 'conflict' };",
    TOMBSTONES,
  ),
  mutant(
    'idempotent',
    registry,
    "'attribute_not_exists(pk) OR deleted_at < :cleared'",
    "'attribute_not_exists(pk) OR attribute_exists(pk) OR deleted_at < :cleared'",
    TOMBSTONES,
  ),
  mutant(
    'tombstone',
    registry,
    'String(nonceIssuedMs - 2 * clockErrorMs)',
    'String(nonceIssuedMs + 1e12)',
    TOMBSTONES,
  ),
  mutant(
    'tombstone',
    registry,
    'String(nonceIssuedMs - 2 * clockErrorMs)',
    'String(nonceIssuedMs)',
    TOMBSTONES,
  ),
  mutant(
    'tombstone-monotonic',
    registry,
    "'attribute_not_exists(deleted_at) OR deleted_at < :now OR w = :w'",
    "'attribute_not_exists(pk) OR :now = :now OR w = :w'",
    TOMBSTONES,
  ),
  mutant(
    'tombstone-always',
    registry,
    "'attribute_not_exists(deleted_at) OR deleted_at < :now OR w = :w'",
    "'attribute_exists(pk) AND (deleted_at < :now OR attribute_not_exists(deleted_at) OR w = :w)'",
    TOMBSTONES,
  ),
  mutant(
    'tombstone-wait',
    'lambda/handlers/register.ts',
    'Math.max(1, Math.floor(waitMs / 1000) + 1)',
    '1',
    TOMBSTONES,
  ),
  // biome-ignore lint/suspicious/noTemplateCurlyInString: code, as text
  mutant('own-registrations', registry, 'S: `${clientId}#${id}`', 'S: `x#${id}`', CHECKS),
  mutant(
    'disabled-bound',
    'lambda/adapters/client-cache.ts',
    'CLIENT_CACHE_MS = 10_000',
    'CLIENT_CACHE_MS = 1e12',
    CLIENTS,
  ),
  mutant('bounded-rereads', 'lambda/adapters/client-cache.ts', 'REREAD_MS = 1_000', 'REREAD_MS = 0', CLIENTS),
  mutant(
    'bounded-cache',
    'lambda/adapters/client-cache.ts',
    'ENTRIES = 10_000',
    'ENTRIES = 100_000',
    CLIENTS,
  ),
  mutant(
    'old-key-dead',
    'lambda/admin/clients.ts',
    'const salt = randomBytes(16);',
    'const salt = Buffer.alloc(16);',
    CLIENTS,
  ),
  mutant(
    'old-key-dead',
    'lambda/adapters/clients.ts',
    'for (const item of found) if (item !== record) await drop(item);',
    '',
    CLIENTS,
  ),
  mutant(
    'strict-key-never-travels',
    'lambda/handlers/nonce.ts',
    "return refuse('not_allowed', 'strict_key_as_bearer');",
    '{}',
    NONCE,
  ),
  mutant(
    'fails-closed',
    'lambda/adapters/dynamodb.ts',
    'throw new Unavailable(part, error);',
    'return { answer: undefined as T };',
    NONCE,
  ),
  mutant(
    'hard-age-limit',
    'lambda/adapters/keyset-cache.ts',
    'age > this.#options.maxAgeMs) {',
    'age > Number.POSITIVE_INFINITY) {',
    NONCE,
  ),
  mutant(
    'no-secret-logged',
    'lambda/log.ts',
    'const names = [error.name];',
    'const names = [error.name, error.message, String(error.cause)];',
    LOGS,
  ),
  mutant(
    'no-secret-logged',
    'lambda/http/handler.ts',
    'route: resource,',
    'route: JSON.stringify(event),',
    LOGS,
  ),
  mutant(
    'quota-bound',
    'lambda/adapters/limits.ts',
    "'attribute_not_exists(leased) OR leased <= :most'",
    "'attribute_not_exists(leased) OR leased <= :most OR leased > :n'",
    `${QUOTA} ${STORES}`,
  ),
  mutant('quota-bound', 'lambda/adapters/limits.ts', 'if (n > limit) return undefined;', '', STORES),
  mutant('quota-bound', 'lambda/quota.ts', 'account.share = spend(account.share);', '', QUOTA),
  mutant(
    'quota-bound',
    'protocol/quota.ts',
    'if (share?.window === window) return share;',
    'if (share) return { ...share, window };',
    LEASES,
  ),
  mutant('quota-bound', 'lambda/quota.ts', 'if (account.share?.window !== share.window) return;', '', QUOTA),
  mutant(
    'quota-not-stranded',
    'protocol/quota.ts',
    'const LARGEST_PART = 1 / 8;',
    'const LARGEST_PART = 1;',
    LEASES,
  ),
  mutant('quota-not-stranded', 'protocol/quota.ts', 'Math.min(2 * share.block, paced)', '100', LEASES),
  mutant(
    'quota-few-writes',
    'protocol/quota.ts',
    'const wanted = Math.max(waiting, Math.min(2 * share.block, paced));',
    'const wanted = 1;',
    LEASES,
  ),
  mutant(
    'replay-costs-nothing',
    'lambda/consumption.ts',
    'if (!(await ledger.consume({ nonce: proof.nonce!, jti, w })))',
    'await quota.charge(client);\n  if (!(await ledger.consume({ nonce: proof.nonce!, jti, w })))',
    QUOTA,
  ),
  mutant('quota-known', 'lambda/consumption.ts', 'if (known) return', 'if (known && false) return', QUOTA),
  mutant(
    'quota-fails-closed',
    'lambda/quota.ts',
    'const leased = await limits.lease(client.clientId, share.window, n, limit);',
    'const leased = await limits.lease(client.clientId, share.window, n, limit).catch(() => n);',
    QUOTA,
  ),
  mutant(
    'waits-as-told',
    'sdk/typescript/caller.ts',
    "if (region && next && error.code === 'quota_exceeded')",
    'if (false as boolean && region && next)',
    'test/sdk/client.test.ts',
  ),
  mutant(
    'revoke-proof',
    'lambda/admin/proofs.ts',
    "return consumed ? 'revoked' : 'already_used';",
    "return 'revoked';",
    REVOCATION,
  ),
  mutant(
    'revoke-proof',
    'lambda/admin/proofs.ts',
    'const consumed = await ledger.consume({ nonce: { ...nonce, text }, jti: undefined, w });',
    'const consumed = !!ledger && !!w;',
    REVOCATION,
  ),
  mutant('revoke-key', 'protocol/client.ts', '&& !isRevoked(client, key)', '', REVOCATION),
  mutant(
    'revoke-key',
    'protocol/client.ts',
    'at = keys.find(({ kid }) => kid === issuedBy);',
    'return false;',
    REVOCATION,
  ),
  mutant(
    'revoke-key',
    'lambda/adapters/clients.ts',
    "UpdateExpression: 'SET disabled = :disabled, changed_at = :now',",
    "UpdateExpression: 'SET disabled = :disabled, changed_at = :now REMOVE revoked',",
    REVOCATION,
  ),
  mutant(
    'rotate-overlap',
    'lambda/admin/rotate-key.ts',
    'await clients.endKey(clientId, kid, end);',
    '',
    ROTATE_KEY,
  ),
  mutant(
    'rotate-overlap',
    'lambda/adapters/clients.ts',
    "ConditionExpression: 'expires_at > :end',",
    "ConditionExpression: 'attribute_exists(pk)',",
    STORES,
  ),
  mutant(
    'rotate-overlap',
    'lambda/admin/rotate-key.ts',
    "(profile === 'basic' && i > 0)",
    'false',
    ROTATE_KEY,
  ),
  mutant('profile-change', 'lambda/admin/rotate-key.ts', 'profile !== client.profile || (', '(', ROTATE_KEY),
  mutant('erase', 'lambda/admin/registrations.ts', 'if (nowMs() > clearMs && (', 'if ((', OPERATED),
  mutant(
    'erase',
    'protocol/registration.ts',
    'tombstoneClearsAtMs(deletedAtMs, clockErrorMs) + LONGEST_NONCE_LIFE_MS + 2 * clockErrorMs',
    'tombstoneClearsAtMs(deletedAtMs, clockErrorMs)',
    OPERATED,
  ),
  mutant(
    'resume',
    'cli/register/checkpoint.ts',
    'return number < this.#state.mark || this.#beyond.has(number) ? undefined : number;',
    'return number;',
    RESUME,
  ),
  mutant(
    'resume',
    'cli/register/checkpoint.ts',
    'if (isLast && hash !== this.#from?.hash) throw changed(record.line);',
    '',
    RESUME,
  ),
  mutant(
    'resume',
    'cli/register/checkpoint.ts',
    'if (saved && isRunning(saved.pid))',
    'if (saved && false)',
    RESUME,
  ),
  mutant(
    'resume',
    'cli/register/register.ts',
    'checkpoint?.done(number, counts, failures.bytes);',
    '',
    RESUME,
  ),
  mutant(
    'resume',
    'cli/register/register.ts',
    'checkpoint !== undefined && (stop !== undefined',
    'checkpoint !== undefined && (false',
    RESUME,
  ),
  mutant(
    'resume',
    'cli/register/command.ts',
    'new FailuresFile(resolve(cwd, failuresPath), checkpoint.failuresBytes)',
    'new FailuresFile(resolve(cwd, failuresPath), 0)',
    RESUME,
  ),
];
