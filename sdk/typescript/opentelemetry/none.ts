/** A bundler for browsers would fail on an optional package. */
import type * as OpenTelemetry from '@opentelemetry/api';

export const loadOpenTelemetry = async (): Promise<typeof OpenTelemetry | undefined> => undefined;
