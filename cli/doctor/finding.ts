/** What one check found, and what to mend. */
export interface Finding {
  readonly check: 'dns' | 'tcp' | 'tls' | 'discovery' | 'clock' | 'nonce' | 'proof';
  readonly status: 'ok' | 'warn' | 'fail';
  /** What was asked: a host, a URL. */
  readonly of: string;
  readonly detail: string;
  readonly mend?: string;
}

export const ok = (check: Finding['check'], of: string, detail: string): Finding => ({
  check,
  status: 'ok',
  of,
  detail,
});
export const warn = (check: Finding['check'], of: string, detail: string, mend: string): Finding => ({
  check,
  status: 'warn',
  of,
  detail,
  mend,
});
export const fail = (check: Finding['check'], of: string, detail: string, mend: string): Finding => ({
  check,
  status: 'fail',
  of,
  detail,
  mend,
});
