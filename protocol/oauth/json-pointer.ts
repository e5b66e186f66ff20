/** JSON Pointers (RFC 6901), as far as rules on claims need them. */

/** @returns the names on the way, or undefined where the text is no pointer, or points at the whole value */
export function parsePointer(text: string): string[] | undefined {
  if (!text.startsWith('/') || /~(?![01])/.test(text)) return undefined;
  const names = text.slice(1).split('/');
  // In this order: `~01` is `~1`, and not `/`.
  return names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** @returns the value, or undefined where there is none. Only an object's own members count. */
export function valueAt(value: unknown, pointer: string): unknown {
  const names = parsePointer(pointer);
  if (!names) return undefined;
  let at: unknown = value;
  for (const name of names) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined;
    // The length of an array is not in the JSON.
    if (Array.isArray(at) && !/^(0|[1-9]\d*)$/.test(name)) return undefined;
    at = (at as Record<string, unknown>)[name];
  }
  return at;
}
