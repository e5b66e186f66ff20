/** Limits of a command's calls to AWS: a Region that is cut off never answers. */

/** On connecting, in milliseconds. The next Region may wait meanwhile. */
const CONNECT_MS = 3_000;
/** On each attempt of a call, in milliseconds. */
export const AWS_ANSWER_MS = 10_000;

/** @param answerMs undefined where the call itself has a limit, as one of a function has */
export const awsLimits = (answerMs?: number) => ({
  requestHandler: {
    connectionTimeout: CONNECT_MS,
    ...(answerMs !== undefined && { requestTimeout: answerMs, throwOnRequestTimeout: true }),
  },
});
