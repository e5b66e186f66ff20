/** Unit prices in USD, us-east-1, as known in November 2026. */
export const PRICE = {
  apiRequest: 3.5e-6,
  lambdaRequest: 0.2e-6,
  /** arm64. */
  gbSecond: 0.0000133334,
  writeUnit: 0.625e-6,
  readUnit: 0.125e-6,
  storedGb: 0.25,
  logGb: 0.5,
  wafRequest: 0.6e-6,
  transferGb: 0.09,
  secretCall: 0.05 / 10_000,
  kmsCall: 0.03 / 10_000,
  sqsRequest: 0.4e-6,
} as const;
