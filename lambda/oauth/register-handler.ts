/** Dynamic registration of clients (RFC 7591), and its management (RFC 7592). */
import { type HttpHandler, httpHandler } from '../http/handler.ts';
import { manageClient } from './manage-client.ts';
import { registerClient } from './register-client.ts';
import type { RegistrationGate } from './registration-gate.ts';

/** @param gate its `http` is that of OAuth routes */
export const registerHandler = (gate: RegistrationGate): HttpHandler =>
  httpHandler(gate.dpop.http, (request, fields) =>
    request.id === '' ? registerClient(gate, request, fields) : manageClient(gate, request, fields),
  );
