/** Gets a public document of a platform, such as its discovery document. */

const TIMEOUT_MS = 10_000;
/** As much as a client reads. */
const MAX_ANSWER_BYTES = 1024 * 1024;

type Fetched = { readonly answer: Response; readonly json: unknown } | { readonly error: string };

/** Asks without a proof, as anybody may. */
export async function getJson(url: string): Promise<Fetched> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'manual' });
    return { answer, json: parse(await textOf(answer)) };
  } catch (error) {
    const { name, cause } = error as Error & { cause?: NodeJS.ErrnoException };
    return { error: `no answer (${cause?.code ?? name})` };
  }
}

/** @returns the body; an empty text where it is longer than `MAX_ANSWER_BYTES` */
async function textOf({ body }: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body ?? []) {
    size += part.length;
    if (size > MAX_ANSWER_BYTES) return '';
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
