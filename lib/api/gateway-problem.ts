/** Template and headers of a problem (RFC 9457) that API Gateway answers without a function. */
import { CORS_ANSWER_HEADERS } from '../../lambda/contract/routes.ts';
import { PROBLEMS, type ProblemCode } from '../../protocol/problem.ts';

/** Only `$context` variables are filled in. */
export function problemTemplate(errorDocsUrl: string, code: ProblemCode, detail?: string): string {
  const { status, title, detail: usual } = PROBLEMS[code];
  const type = `${errorDocsUrl}/${code}`;
  const instance = 'urn:uuid:$context.requestId';
  return JSON.stringify({ type, title, status, detail: detail ?? usual, instance, code });
}

/** Static values in API Gateway's form, in single quotes. */
export function problemHeaders(code: ProblemCode): Record<string, string> {
  const { status } = PROBLEMS[code];
  return {
    'Content-Type': "'application/problem+json'",
    'Cache-Control': "'no-store'",
    'Access-Control-Allow-Origin': "'*'",
    'Access-Control-Expose-Headers': `'${CORS_ANSWER_HEADERS.join(', ')}'`,
    ...((status >= 500 || status === 429) && { 'Retry-After': "'1'" }),
  };
}
