/** The checks of `countersign doctor`, in their order. */
export const CHECKS = ['dns', 'tcp', 'tls', 'discovery', 'clock', 'nonce', 'proof'] as const;

/** What one check found, and what to fix. */
export interface Finding {
  readonly check: (typeof CHECKS)[number];
  /** `skip`: the check did not run, so nothing is known. */
  readonly status: 'ok' | 'warn' | 'fail' | 'skip';
  /** What was asked: a host, a URL. */
  readonly of: string;
  readonly detail: string;
  readonly fix?: string;
}

export const ok = (check: Finding['check'], of: string, detail: string): Finding => ({
  check,
  status: 'ok',
  of,
  detail,
});
export const warn = (check: Finding['check'], of: string, detail: string, fix: string): Finding => ({
  check,
  status: 'warn',
  of,
  detail,
  fix,
});
export const fail = (check: Finding['check'], of: string, detail: string, fix: string): Finding => ({
  check,
  status: 'fail',
  of,
  detail,
  fix,
});
export const skip = (check: Finding['check'], of: string): Finding => ({
  check,
  status: 'skip',
  of,
  detail: 'not checked, since a check before it failed',
});
