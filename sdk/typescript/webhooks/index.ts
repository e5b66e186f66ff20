/** Receives the platform's callbacks. See README.md. */
export type { ClientEvent, CountersignEvent, EventData, EventType, RegistrationEvent } from '../event.ts';
export { InvalidWebhookError } from './errors.ts';
export {
  createWebhookHandler,
  type NodeRequest,
  type NodeResponse,
  type RunContext,
  type WebhookAnswer,
  type WebhookHandler,
  type WebhookHandlerOptions,
} from './handler.ts';
export type { WebhookKeys } from './keys.ts';
export { type SignedWebhook, type SignOptions, signWebhook } from './sign.ts';
export { memoryStore, type WebhookStore } from './store.ts';
export { type VerifyOptions, verifyWebhook, type WebhookHeaders } from './verify.ts';
