/** A client's name, as the platform and the SDK take it. Runs in a browser too. */

/** Its form, as part of a regular expression. */
export const CLIENT_ID = '[a-z][a-z0-9-]{2,31}';

const WHOLE = new RegExp(`^${CLIENT_ID}$`);

export const isClientId = (text: unknown): text is string => typeof text === 'string' && WHOLE.test(text);
