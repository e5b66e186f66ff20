/** `POST /v1/register`: checks 1 to 12 of the design's table (2-protocol "Proof"), in its order. */
import { randomBytes } from 'node:crypto';
import { refuse } from '../../protocol/problem.ts';
import { entityTag, type Registration, registrationId } from '../../protocol/registration.ts';
import type { Ledger } from '../adapters/ledger.ts';
import type { Registry } from '../adapters/registry.ts';
import { json } from '../http/answer.ts';
import { type HttpHandler, httpHandler } from '../http/handler.ts';
import { representation } from '../http/representation.ts';
import { type ProofGate, withProof } from '../proof-gate.ts';
import { readRegistration } from '../schema/body.ts';
import type { RegistrationSchema } from '../schema/validator.ts';

export interface RegisterOptions {
  readonly gate: ProofGate;
  readonly ledger: Ledger;
  readonly registry: Registry;
  readonly schema: RegistrationSchema;
  /** This Region's own base URL: where the registration is found. */
  readonly baseUrl: string;
}

export function registerHandler({ gate, ledger, registry, schema, baseUrl }: RegisterOptions): HttpHandler {
  return httpHandler(gate.http, (request, fields) =>
    withProof(gate, 'register', request, fields, async ({ proof, headers, refuse: answer }) => {
      const body = readRegistration(schema, request.body);
      if (!body.ok) return answer(body);

      const nonce = proof.nonce!;
      const w = randomBytes(16).toString('base64url');
      if (!(await ledger.consume({ nonce, jti: proof.jti, w }))) return answer(refuse('use_nonce', 'used'));

      const { clientId } = proof.client;
      const userId = body.data.user_id;
      const created: Registration = {
        id: registrationId(clientId, userId),
        clientId,
        userId,
        createdAtMs: gate.http.nowMs(),
        data: body.data,
      };
      const outcome = await registry.register(created, nonce.issuedMs);
      if (outcome.kind === 'conflict') return answer(refuse('registration_conflict', 'other_data'));
      if (outcome.kind === 'deleted') {
        // A nonce of now would be too old as well: the client waits first.
        const waitMs = outcome.clearsAtMs - gate.http.nowMs();
        return answer(refuse('use_nonce', 'deleted'), Math.max(1, Math.floor(waitMs / 1000) + 1));
      }
      const stored = outcome.kind === 'replayed' ? outcome.registration : created;
      return json(201, representation(stored), {
        ...(await headers()),
        'Cache-Control': 'no-store',
        Location: `${baseUrl}/v1/registrations/${stored.id}`,
        ETag: entityTag(stored.data),
        ...(outcome.kind === 'replayed' && { 'Idempotency-Replayed': 'true' }),
      });
    }),
  );
}
