/** `POST /v1/register`: checks 1 to 12 of the design's table (2-protocol "Proof"), in its order. */
import { randomUUID } from 'node:crypto';
import { refuse } from '../../protocol/problem.ts';
import { entityTag, type Registration, registrationId } from '../../protocol/registration.ts';
import type { Registry } from '../adapters/registry.ts';
import { json } from '../http/answer.ts';
import { type HttpHandler, httpHandler } from '../http/handler.ts';
import { representation } from '../http/representation.ts';
import { type Consumption, consume } from '../request/consumption.ts';
import { type ProofGate, withProof } from '../request/proof-gate.ts';
import { readRegistration } from '../schema/body.ts';
import type { RegistrationSchema } from '../schema/validator.ts';

export interface RegisterOptions {
  readonly gate: ProofGate;
  readonly consumption: Consumption;
  readonly registry: Registry;
  readonly schema: RegistrationSchema;
  /** This Region's own base URL: where the registration is found. */
  readonly baseUrl: string;
}

export function registerHandler(options: RegisterOptions): HttpHandler {
  const { gate, consumption, registry, schema, baseUrl } = options;
  return httpHandler(gate.http, (request, fields) =>
    withProof(gate, 'register', request, fields, async (admitted) => {
      const { proof, headers, refuse: answer } = admitted;
      // A strict proof has vouched for these very bytes; a basic one binds no body.
      if (request.bodyInDoubt && proof.client.profile === 'basic')
        return answer(refuse('malformed_request', 'body_in_doubt'));
      const body = readRegistration(schema, request.body);
      if (!body.ok) return answer(body);

      const consumed = await consume(consumption, admitted, randomUUID());
      if (!consumed.ok) return consumed.answer;

      const { clientId } = proof.client;
      const userId = body.data.user_id;
      const created: Registration = {
        id: registrationId(clientId, userId),
        clientId,
        userId,
        createdAtMs: gate.http.nowMs(),
        data: body.data,
      };
      const outcome = await registry.register(created, proof.nonce!.issuedMs);
      if (outcome.kind === 'conflict') return answer(refuse('registration_conflict', 'other_data'));
      if (outcome.kind === 'deleted') {
        // A nonce of now would be too old as well: the client waits first.
        const waitS = Math.floor((outcome.clearsAtMs - gate.http.nowMs()) / 1000) + 1;
        const wait = { 'Retry-After': String(Math.max(1, waitS)) };
        return answer(refuse('use_nonce', 'deleted'), { headers: wait, nonce: false });
      }
      const stored = outcome.kind === 'replayed' ? outcome.registration : created;
      return json(201, representation(stored), {
        ...(await headers()),
        ...consumed.headers,
        'Cache-Control': 'no-store',
        Location: `${baseUrl}/v1/registrations/${stored.id}`,
        ETag: entityTag(stored.data),
        ...(outcome.kind === 'replayed' && { 'Idempotency-Replayed': 'true' }),
      });
    }),
  );
}
