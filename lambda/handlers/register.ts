/** `POST /v1/register`: checks 1 (request) to 12 (registry) of docs/protocol.md, "Checks", in that order. */
import { randomUUID } from 'node:crypto';
import { refuse } from '../../protocol/problem.ts';
import {
  entityTag,
  type Registration,
  registrationId,
  secondsUntilClear,
} from '../../protocol/registration.ts';
import type { Registry } from '../adapters/registry.ts';
import { json } from '../http/answer.ts';
import { type HttpHandler, httpHandler } from '../http/handler.ts';
import { representation } from '../http/representation.ts';
import { type Consumption, consume } from '../request/consumption.ts';
import { type ProofGate, withWriteProof } from '../request/proof-gate.ts';
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
    withWriteProof(gate, 'register', request, fields, async (admitted) => {
      const { verified, headers, answerRefusal } = admitted;
      const body = readRegistration(schema, request, verified.client.profile);
      if (!body.ok) return answerRefusal(body);

      const consumed = await consume(consumption, admitted, randomUUID());
      if (!consumed.ok) return consumed.answer;

      const { clientId } = verified.client;
      const userId = body.data.user_id;
      const created: Registration = {
        id: registrationId(clientId, userId),
        clientId,
        userId,
        createdAtMs: gate.http.nowMs(),
        data: body.data,
      };
      const outcome = await registry.register(created, verified.nonce.issuedMs);
      if (outcome.kind === 'conflict') return answerRefusal(refuse('registration_conflict', 'other_data'));
      if (outcome.kind === 'deleted') {
        // A nonce of now would be too old as well: the client waits first.
        const wait = { 'Retry-After': String(secondsUntilClear(outcome.clearsAtMs, gate.http.nowMs())) };
        return answerRefusal(refuse('use_nonce', 'deleted'), { headers: wait, nonce: false });
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
