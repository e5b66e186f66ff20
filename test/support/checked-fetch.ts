/** A `fetch` that checks every answer against docs/openapi.yaml, and counts exchanges. */
import { checkAnswer } from '../openapi.ts';

export interface CheckedFetch {
  (url: string | URL | Request, init?: RequestInit): Promise<Response>;
  /** Exchanges so far. */
  count: number;
}

export function checkedFetch(): CheckedFetch {
  const checked: CheckedFetch = async (url, init = {}) => {
    checked.count += 1;
    const response = await fetch(url, init);
    const body = await response.clone().text();
    checkAnswer({
      method: init.method ?? 'GET',
      path: new URL(String(url)).pathname.replace(/^.*?(?=\/v1\/|\/\.well-known\/)/, ''),
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body,
    });
    return response;
  };
  checked.count = 0;
  return checked;
}
