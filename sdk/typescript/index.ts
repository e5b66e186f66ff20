/** Countersign client: nonce, sign, register in one line. See README.md. */
export type { BatchOptions, BatchProgress, BatchResult } from './batch.ts';
export {
  type CallOptions,
  type ClientOptions,
  type ClientSettings,
  CountersignClient,
  type CredentialOptions,
} from './client.ts';
export type { ApiKeyCredential, Credential, PrivateKeyCredential } from './credential.ts';
export {
  AbortedError,
  ApiError,
  BodyTooLargeError,
  ClientClosedError,
  ClientDisabledError,
  ClockSkewError,
  ConnectionError,
  CountersignError,
  CursorGoneError,
  EnrolmentError,
  ForeignRegionsError,
  InternalServerError,
  InvalidArgumentError,
  InvalidProofError,
  InvalidRegistrationError,
  KeyExistsError,
  KeyExpiredError,
  MalformedRequestError,
  NonceRefusedError,
  NotAllowedError,
  NotFoundError,
  type Problem,
  QuotaExceededError,
  RegistrationConflictError,
  TimeoutError,
  TokenRevokedError,
  UnavailableError,
  UnexpectedAnswerError,
  UnsupportedMediaTypeError,
} from './errors.ts';
export type { ClientEvent, CountersignEvent, EventData, EventType, RegistrationEvent } from './event.ts';
export type { EventsOptions, ReadEvent } from './events.ts';
export type { RequestEvent, RetryEvent } from './hooks.ts';
export type { Identity, IdentitySource, IdentityWish } from './identity/source.ts';
export type { RotatedKey } from './keys.ts';
export type { Logger, LogLevel } from './log.ts';
export type { LogFields } from './loggable.ts';
export type { Registered, Registration, User, WithUserId } from './registration.ts';
export type { CallResponse, ResponsePromise } from './response.ts';
export type { CompileCheck, UserCheck } from './user-check.ts';
