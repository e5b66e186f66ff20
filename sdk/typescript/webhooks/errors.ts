/** What a receiver of callbacks throws. */
import { CountersignError } from '../errors.ts';

/** The request is not an event that the platform signed for this receiver, just now. */
export class InvalidWebhookError extends CountersignError {
  constructor(message: string) {
    super('invalid_webhook', message);
  }
}
