/** OpenTelemetry's API, where the application has installed it. */
import type * as OpenTelemetry from '@opentelemetry/api';

export const loadOpenTelemetry = (): Promise<typeof OpenTelemetry | undefined> =>
  import('@opentelemetry/api').catch(() => undefined);
