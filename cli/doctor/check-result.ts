/** The checks of `countersign doctor`, in their order. */
export const CHECKS = ['dns', 'tcp', 'tls', 'discovery', 'clock', 'health', 'nonce', 'proof'] as const;

/** Result of one check, with the fix where it is not `ok`. */
export interface CheckResult {
  readonly check: (typeof CHECKS)[number];
  /** `skip`: the check did not run, so its result is unknown. */
  readonly status: 'ok' | 'warn' | 'fail' | 'skip';
  /** Subject of the check: a host, an address, a URL or a Region. */
  readonly of: string;
  readonly detail: string;
  readonly fix?: string;
}

export const passed = (check: CheckResult['check'], of: string, detail: string): CheckResult => ({
  check,
  status: 'ok',
  of,
  detail,
});
const withFix =
  (status: 'warn' | 'fail') =>
  (check: CheckResult['check'], of: string, detail: string, fix: string): CheckResult => ({
    check,
    status,
    of,
    detail,
    fix,
  });
export const warned = withFix('warn');
export const failed = withFix('fail');
export const skipped = (
  check: CheckResult['check'],
  of: string,
  why = 'because an earlier check failed',
): CheckResult => ({
  check,
  status: 'skip',
  of,
  detail: `not checked, ${why}`,
});
