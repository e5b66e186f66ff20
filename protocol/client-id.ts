/** A client's name, as the platform and the SDK take it. Runs in a browser too. */
const CLIENT_ID = /^[a-z][a-z0-9-]{2,31}$/;

export const isClientId = (text: unknown): text is string => typeof text === 'string' && CLIENT_ID.test(text);
