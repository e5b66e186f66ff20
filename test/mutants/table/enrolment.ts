// biome-ignore-all lint/suspicious/noTemplateCurlyInString: pieces of other files
/** Mutants of invites, of clients that manage themselves, and of enrolment. */
import { type Mutant, mutant } from '../mutant.ts';

const INVITE = 'test/lambda/oauth/invite.test.ts';
const MANAGE = 'test/lambda/oauth/manage.test.ts';
const ENROL = 'test/lambda/oauth/enrol.test.ts';
const ATTESTATION = 'test/protocol/oauth/attestation.test.ts';
const CONFIG = 'test/lib/config/enrolment.test.ts';
const SWEEP = 'test/lambda/oauth/sweep.test.ts';
const MODEL = 'test/model/invites.test.ts';

const IDENTITY = 'test/sdk/identity.test.ts';

const clients = 'lambda/adapters/clients.ts';
const items = 'lambda/adapters/client-items.ts';
const invite = 'protocol/oauth/invite.ts';
const manage = 'lambda/oauth/manage-client.ts';
const gate = 'lambda/oauth/registration-gate.ts';
const attestation = 'protocol/oauth/attestation.ts';
const enrol = 'lambda/oauth/enrol.ts';
const config = 'lib/config/enrolment.ts';
const issuerKeys = 'lambda/oauth/issuer-keys.ts';

export const ENROLMENT: readonly Mutant[] = [
  mutant(
    'one-redemption',
    clients,
    '`${same} AND attribute_not_exists(kid) OR ${same} AND kid = :kid`',
    'same',
    MODEL,
  ),
  mutant('one-redemption', items, '...ofAnEarlierClient, ...notInvited]', '...ofAnEarlierClient]', MODEL),
  mutant('one-redemption', items, 'issued_by: { S: BY_INVITE },', '', MODEL),
  mutant(
    'one-redemption',
    invite,
    'invite.redeemedBy !== null && invite.redeemedBy !== thumbprint',
    'false',
    INVITE,
  ),
  mutant(
    'invite-bound',
    invite,
    'invite.thumbprint !== null && invite.thumbprint !== thumbprint',
    'false',
    INVITE,
  ),
  mutant(
    'invite-bound',
    invite,
    'invite.redeemedBy === null && nowMs >= invite.expiresAtS * 1000',
    'false',
    INVITE,
  ),
  mutant('invite-bound', invite, 'if (client.revoked.has(thumbprint))', 'if (Date.now() === 0)', INVITE),
  mutant(
    'invite-bound',
    invite,
    "if (client.disabled) return refuseOAuth('access_denied', 'client_disabled');",
    '',
    INVITE,
  ),
  mutant(
    'invite-bound',
    'lambda/oauth/register-client.ts',
    "if (!(await tokens.isInvite(token, client, invite))) return bad('invite_text');",
    '',
    INVITE,
  ),
  mutant(
    'invite-bound',
    'lambda/oauth/register-client.ts',
    'return key?.kid === thumbprint',
    'return key',
    INVITE,
  ),
  mutant(
    'invite-bound',
    'lambda/admin/invite.ts',
    "if (origin !== 'invite' || keys.length > 0) throw exists(clientId);",
    '',
    INVITE,
  ),
  mutant(
    'manages-itself',
    manage,
    "  if (!dpop.bindsBody) return refused(refuseOAuth('invalid_dpop_proof', 'dpop_body_free', UNBOUND));\n",
    '',
    MANAGE,
  ),
  mutant(
    'manages-itself',
    manage,
    "if (!(await tokens.isRegistrationToken(token, client, invite))) return bad('registration_text');",
    '',
    MANAGE,
  ),
  mutant(
    'manages-itself',
    manage,
    "if (!key?.jwk || !isUsable(client, key, dpop.http.nowMs())) return bad('registration_key');",
    "if (!key) return bad('registration_key');",
    MANAGE,
  ),
  mutant(
    'manages-itself',
    manage,
    "  if (client.disabled) return refuseOAuth('access_denied', 'client_disabled');\n  return { ok: true, client, invite, key };",
    '  return { ok: true, client, invite, key };',
    MANAGE,
  ),
  mutant('manages-itself', manage, 'await clients.endKey(client, kid, nowS + OVERLAP_S);', '{}', MANAGE),
  mutant(
    'manages-itself',
    manage,
    'if (!(await clients.claimNext(',
    'if (Date.now() === 0 && !(await clients.claimNext(',
    MANAGE,
  ),
  mutant('manages-itself', clients, 'if (keepsState && sk === STATE) continue;', '', `${MANAGE} ${ENROL}`),
  mutant(
    'registers-once',
    gate,
    "return (await consume(use)) ? undefined : refuseOAuth('invalid_dpop_proof', 'dpop_used');",
    'await consume(use);\n  return undefined;',
    INVITE,
  ),
  mutant(
    'registers-once',
    gate,
    "if (token && !(await consume(token))) return refuseOAuth('invalid_token', 'attestation_used');",
    '',
    ENROL,
  ),
  mutant('registers-once', gate, 'if (refusal !== undefined) throw new Unavailable(refusal);', '', INVITE),
  mutant(
    'attestation-bound',
    attestation,
    'return audienceOf(claims) === audienceFor(policy, context)',
    'return Date.now() > 0',
    ATTESTATION,
  ),
  mutant(
    'attestation-bound',
    attestation,
    'Array.isArray(aud) && aud.length === 1',
    'Array.isArray(aud)',
    ATTESTATION,
  ),
  mutant('attestation-bound', attestation, 'exp - iat <= LONGEST_LIFE_S;', 'true;', ATTESTATION),
  mutant(
    'attestation-bound',
    attestation,
    "if (fitting.length > 1) return { ok: false, reason: 'attestation_ambiguous' };",
    '',
    ATTESTATION,
  ),
  mutant(
    'attestation-bound',
    attestation,
    'if (fitting.length !== 1) return undefined;',
    'if (fitting.length === 0) return undefined;',
    ATTESTATION,
  ),
  mutant(
    'attestation-bound',
    attestation,
    'return bits >= SHORTEST_RSA_BITS ? key : undefined;',
    'return key;',
    ATTESTATION,
  ),
  mutant('attestation-bound', attestation, "typ.toUpperCase() === 'JWT'", 'true', ATTESTATION),
  mutant('attestation-bound', attestation, '(key.alg === undefined || key.alg === alg) &&', '', ATTESTATION),
  mutant(
    'attestation-bound',
    'protocol/oauth/json-pointer.ts',
    '|| !Object.hasOwn(at, name)',
    '',
    'test/protocol/oauth/json-pointer.test.ts',
  ),
  mutant(
    'attestation-bound',
    enrol,
    "return isAttestedBy(attestation, key) ? undefined : 'attestation_signature';",
    'return undefined;',
    ENROL,
  ),
  mutant(
    'attestation-bound',
    enrol,
    "if (!first?.algorithms.includes(attestation.alg)) return bad('attestation_issuer');",
    "if (!first) return bad('attestation_issuer');",
    ENROL,
  ),
  mutant(
    'workload-stopped',
    'lambda/adapters/clients.ts',
    'if (record.origin?.S === ENROLLED) return put',
    'if (false) return put',
    ENROL,
  ),
  mutant(
    'workload-stopped',
    enrol,
    "if (client?.disabled) return refuseOAuth('access_denied', 'client_disabled');",
    '',
    ENROL,
  ),
  mutant(
    'workload-stopped',
    enrol,
    "if (client && client.origin !== 'enrolment')",
    'if (Date.now() === 0)',
    ENROL,
  ),
  mutant(
    'workload-stopped',
    'lambda/adapters/enrolled-keys.ts',
    'policies.includes(policy) && isSame(salt, client.salt);',
    'isSame(salt, client.salt);',
    ENROL,
  ),
  mutant(
    'workload-stopped',
    'lambda/adapters/enrolled-keys.ts',
    'policies.includes(policy) && isSame(salt, client.salt);',
    'policies.includes(policy);',
    SWEEP,
  ),
  mutant('issuer-keys', issuerKeys, 'document.issuer === issuer ?', 'true ?', ENROL),
  mutant('issuer-keys', issuerKeys, '|| URL.parse(address)?.origin !== new URL(issuer).origin', '', ENROL),
  mutant('issuer-keys', issuerKeys, 'maxAgeMs: 3_600_000 };', 'maxAgeMs: 36_000_000 };', ENROL),
  mutant('issuer-keys', issuerKeys, "redirect: 'error',", '', 'test/lambda/oauth/issuer-keys.test.ts'),
  mutant(
    'issuer-keys',
    issuerKeys,
    "if (bytes > mostBytes) throw new Error('the answer is too long');",
    '',
    'test/lambda/oauth/issuer-keys.test.ts',
  ),
  mutant(
    'issuer-keys',
    issuerKeys,
    "if (!isAllowed(url)) throw new Error('an issuer is asked over https alone');",
    '',
    'test/lambda/oauth/issuer-keys.test.ts',
  ),
  mutant(
    'swept',
    'lambda/adapters/enrolled-keys.ts',
    "ConditionExpression: 'expires_at = :end',",
    "ConditionExpression: 'expires_at <> :end OR expires_at = :end',",
    SWEEP,
  ),
  mutant('swept', 'lambda/oauth/sweep.ts', 'if (await isStopped()) return;', '', SWEEP),
  mutant('swept', 'lambda/oauth/sweep.ts', '> most)', '> most + 1)', SWEEP),
  mutant('policies-refused', config, 'if (pointers.length === 0)', 'if (Date.now() === 0)', CONFIG),
  mutant(
    'policies-refused',
    config,
    "names[0] === AWS_CLAIMS && names[1] === 'request_tags'",
    'Date.now() === 0',
    CONFIG,
  ),
  mutant('policies-refused', config, "if (isAws && pointer === '/sub')", 'if (Date.now() === 0)', CONFIG),
  mutant(
    'policies-refused',
    config,
    '...(shared && lacks(shared.tenant)',
    '...(shared && Date.now() === 0',
    CONFIG,
  ),
  mutant(
    'policies-refused',
    config,
    '...(shared && lacks(shared.code)',
    '...(shared && Date.now() === 0',
    CONFIG,
  ),
  mutant('policies-refused', config, '...(ownUrls.includes(policy.issuer)', '...(Date.now() === 0', CONFIG),
  mutant(
    'policies-refused',
    config,
    'isPart(other.match, policy.match) || isPart(policy.match, other.match)',
    'Date.now() === 0',
    CONFIG,
  ),
  mutant(
    'policies-refused',
    'lib/config/lock.ts',
    'if (renamed.length > 0)',
    'if (Date.now() === 0)',
    CONFIG,
  ),
  mutant('no-secret', 'sdk/typescript/identity/enrol.ts', '`${issuer}/keys/${kid}`', 'issuer', IDENTITY),
  mutant(
    'no-secret',
    'sdk/typescript/identity/enrol.ts',
    "message: 'the platform gives this workload no identity token', cause: error",
    'message: String(error), cause: error',
    IDENTITY,
  ),
  mutant(
    'no-secret',
    'sdk/typescript/identity/keys.ts',
    'this.#enrolling ??= enrol',
    'this.#enrolling = enrol',
    IDENTITY,
  ),
  mutant(
    'no-secret',
    'sdk/typescript/identity/keys.ts',
    'return abortable(this.#enrol(at), signals);',
    'return this.#enrol(at);',
    IDENTITY,
  ),
  mutant(
    'no-secret',
    'sdk/typescript/identity/keys.ts',
    'held.endsAtMs - nowMs < LEAST_LEFT_MS',
    'false',
    IDENTITY,
  ),
  mutant(
    'no-secret',
    'sdk/typescript/identity/keys.ts',
    'this.#notBeforeMs = nowMs + COOLDOWN_MS;',
    '',
    IDENTITY,
  ),
  mutant(
    'no-secret',
    'sdk/typescript/identity/keys.ts',
    '    this.#held = undefined;\n    return true;',
    '    return false;',
    IDENTITY,
  ),
];
