/** Finds the resource of the API for a request, by its decoded path, as API Gateway does. */
import type { Route } from '../../lambda/contract/routes.ts';

export interface Match {
  readonly route: Route;
  /** Null where the resource has no parameter, as in the event. */
  readonly pathParameters: Record<string, string> | null;
}

/** @returns the resource, for any method; undefined if there is none */
export function matchRoute(path: string, routes: readonly Route[]): Match | undefined {
  let decoded: string[];
  try {
    decoded = path.split('/').map(decodeURIComponent);
  } catch {
    return undefined;
  }
  for (const route of routes) {
    const parts = route.resource.split('/');
    const parameters: [string, string][] = [];
    const matches = parts.every((part, i) => {
      const segment = decoded[i] ?? '';
      if (!part.startsWith('{')) return part === segment;
      parameters.push([part.slice(1, -1), segment]);
      return segment !== '';
    });
    if (matches && parts.length === decoded.length)
      return { route, pathParameters: parameters.length > 0 ? Object.fromEntries(parameters) : null };
  }
  return undefined;
}
