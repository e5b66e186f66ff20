/** An instance of a workload gets a key by its platform's identity token (docs/enrolment.md). */
import { randomBytes } from 'node:crypto';
import type { ClientRecord } from '../../protocol/client.ts';
import {
  type Attestation,
  type AttestationFault,
  attestationKey,
  attestationUse,
  choosePolicy,
  type EnrolmentPolicy,
  isAttestedBy,
  policyId,
  readAttestation,
} from '../../protocol/oauth/attestation.ts';
import type { UsedOnce } from '../../protocol/oauth/client-assertion.ts';
import { type OAuthRefusal, refuseOAuth } from '../../protocol/oauth/error.ts';
import { DEFAULT_SCOPES } from '../../protocol/oauth/scope.ts';
import type { NewPublicKey } from '../../protocol/roll-over.ts';
import { Unavailable } from '../adapters/call.ts';
import type { Clients } from '../adapters/clients.ts';
import type { EnrolledKeys } from '../adapters/enrolled-keys.ts';
import { usableNowS } from '../request/key-times.ts';
import type { IssuerKeys } from './issuer-keys.ts';

export interface EnrolmentOptions {
  readonly policies: readonly EnrolmentPolicy[];
  readonly issuerKeys: IssuerKeys;
  readonly clients: Pick<Clients, 'load' | 'enrol' | 'setLimit' | 'setScopes'>;
  readonly enrolledKeys: Pick<EnrolledKeys, 'put'>;
  /** The platform's. */
  readonly issuer: string;
  /** This Region's own base URL. */
  readonly baseUrl: string;
  readonly clockErrorMs: number;
  readonly nowMs: () => number;
}

/** An instance that a policy lets in. Nothing is written yet. */
export interface Enrolment {
  readonly policy: EnrolmentPolicy;
  /** Undefined where no instance enrolled as this client before. */
  readonly client: ClientRecord | undefined;
  /** For a token that is bound to no key: it is taken once. */
  readonly use: UsedOnce | undefined;
}

export class Enrolments {
  readonly #options: EnrolmentOptions;

  constructor(options: EnrolmentOptions) {
    this.#options = options;
  }

  /**
   * Checks the token of a workload that holds the key with this thumbprint.
   *
   * @throws Unavailable
   */
  async check(
    token: string,
    thumbprint: string,
  ): Promise<{ readonly ok: true; readonly enrolment: Enrolment } | OAuthRefusal> {
    const { policies, clients, issuer, baseUrl, nowMs } = this.#options;
    const bad = (reason: AttestationFault) => refuseOAuth('invalid_token', reason);
    const attestation = readAttestation(token);
    if (!attestation) return bad('attestation_form');
    const ofIssuer = policies.filter((policy) => policy.issuer === attestation.issuer);
    const [first] = ofIssuer;
    if (!first?.algorithms.includes(attestation.alg)) return bad('attestation_issuer');
    const fault = await this.#signatureFault(attestation, first);
    if (fault) return bad(fault);
    const context = { issuer, baseUrl, thumbprint, nowMs: nowMs() };
    const chosen = choosePolicy(attestation, ofIssuer, context);
    if (!chosen.ok) return bad(chosen.reason);
    const { policy } = chosen;
    const client = await clients.load(policy.client);
    if (client && client.origin !== 'enrolment')
      return refuseOAuth('access_denied', 'enrolment_client_taken', TAKEN);
    if (client?.disabled) return refuseOAuth('access_denied', 'client_disabled');
    const use = policy.binding === 'once' ? attestationUse(attestation, nowMs()) : undefined;
    return { ok: true, enrolment: { policy, client, use } };
  }

  /** Policies of one issuer have the same keys. */
  async #signatureFault(
    attestation: Attestation,
    policy: EnrolmentPolicy,
  ): Promise<AttestationFault | undefined> {
    const { issuerKeys } = this.#options;
    const key =
      attestationKey(await issuerKeys.of(policy, false), attestation) ??
      attestationKey(await issuerKeys.of(policy, true), attestation);
    if (!key) return 'attestation_key';
    return isAttestedBy(attestation, key) ? undefined : 'attestation_signature';
  }

  /**
   * Stores the key. The policy says what the client may do, also if it changed since the client was made.
   *
   * @returns the client, with this one of its keys @throws Unavailable
   */
  async enrol({ policy, client }: Enrolment, { kid, alg, jwk }: NewPublicKey): Promise<ClientRecord> {
    const { clients, enrolledKeys, clockErrorMs, nowMs } = this.#options;
    const { client: clientId, scopes, limit, keyLifeS } = policy;
    const of = client ?? (await this.#create(policy));
    if ((of.scopes ?? DEFAULT_SCOPES).join() !== scopes.join()) await clients.setScopes(of, scopes);
    if (of.limit !== limit) await clients.setLimit(clientId, limit);
    const nowS = Math.floor(nowMs() / 1000);
    const times = { usableAtS: usableNowS(clockErrorMs, nowS), expiresAtS: nowS + keyLifeS };
    const key = { kid, alg, jwk, ...times, issuedBy: null, rootKid: null };
    await enrolledKeys.put(of, key, policyId(policy));
    return { ...of, scopes, limit, keys: [key] };
  }

  async #create({ client: clientId, scopes, limit }: EnrolmentPolicy): Promise<ClientRecord> {
    const { clients, nowMs } = this.#options;
    const salt = randomBytes(16);
    const made = { clientId, profile: 'strict', salt, limit, scopes, createdAtMs: nowMs() } as const;
    await clients.enrol({ ...made, origin: 'enrolment' });
    // Another instance may have been first, or an operator may have disabled the name.
    const client = await clients.load(clientId);
    if (client?.origin !== 'enrolment' || client.disabled) throw new Unavailable('clients');
    return client;
  }
}

const TAKEN = "A client of the policy's name exists already, and no enrolment made it.";
