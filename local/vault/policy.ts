/**
 * Access-control policies (Vault, "Policies"). Supports only the HCL that `cli/vault/*.hcl` uses: path blocks
 * with capabilities and allowed parameters.
 */
import type { VaultBody, VaultOperation } from './protocol.ts';
import { VaultFault } from './protocol.ts';

export type Capability = VaultOperation | 'sudo' | 'deny' | 'root';

export interface Rule {
  /** An exact path, or a pattern: `*` at the end matches any rest, `+` matches one segment. */
  readonly path: string;
  readonly capabilities: ReadonlySet<Capability>;
  /**
   * The allowed values of body members by name; an empty list allows any value. Undefined: all members are
   * allowed.
   */
  readonly allowedParameters: Readonly<Record<string, readonly unknown[]>> | undefined;
}

/** @throws VaultFault */
export function parsePolicy(hcl: string): Rule[] {
  const tokens = hcl.replace(/(#|\/\/).*$/gm, '').match(/"[^"\n]*"|[\w-]+|[{}[\]=,]|\S/g) ?? [];
  const rules: Rule[] = [];
  let at = 0;
  const next = (expected?: string): string => {
    const token = tokens[at++];
    if (token === undefined || (expected !== undefined && token !== expected))
      throw new VaultFault(
        400,
        `failed to parse policy: expected ${expected ?? 'more'}, got: ${token ?? 'EOF'}`,
      );
    return token;
  };
  const string = (): string => {
    const token = next();
    if (!token.startsWith('"')) throw new VaultFault(400, `failed to parse policy: ${token} is no string`);
    return token.slice(1, -1);
  };
  const list = (): string[] => {
    const items: string[] = [];
    for (next('['); tokens[at] !== ']'; ) {
      items.push(string());
      if (tokens[at] !== ']') next(',');
    }
    next(']');
    return items;
  };
  while (at < tokens.length) {
    next('path');
    const path = string();
    let capabilities: string[] = [];
    let allowedParameters: Record<string, string[]> | undefined;
    for (next('{'); tokens[at] !== '}'; ) {
      const member = next();
      next('=');
      if (member === 'capabilities') capabilities = list();
      else if (member === 'allowed_parameters') {
        allowedParameters = {};
        for (next('{'); tokens[at] !== '}'; ) {
          const name = string();
          next('=');
          allowedParameters[name] = list();
        }
        next('}');
      } else throw new VaultFault(400, `failed to parse policy: invalid key "${member}"`);
    }
    next('}');
    rules.push({ path, capabilities: new Set(capabilities as Capability[]), allowedParameters });
  }
  return rules;
}

/** @returns the rules of the most specific matching path: an exact one, otherwise the longest */
function rulesFor(rules: readonly Rule[], path: string): Rule[] {
  const fitting = rules.filter((rule) => fits(rule.path, path));
  const rank = (pattern: string) => (pattern === path ? Number.POSITIVE_INFINITY : pattern.length);
  const best = Math.max(...fitting.map((rule) => rank(rule.path)));
  return fitting.filter((rule) => rank(rule.path) === best);
}

function fits(pattern: string, path: string): boolean {
  const escaped = pattern
    .replace(/\*$/, '')
    .replace(/[.*?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('+', '[^/]+');
  return new RegExp(`^${escaped}${pattern.endsWith('*') ? '' : '$'}`).test(path);
}

/** @returns the capabilities at the path; `deny` if there are none */
export function capabilitiesOf(rules: readonly Rule[], path: string): Set<Capability> {
  const found = new Set(rulesFor(rules, path).flatMap((rule) => [...rule.capabilities]));
  return found.size === 0 || found.has('deny') ? new Set(['deny']) : found;
}

export function isAllowed(
  rules: readonly Rule[],
  operation: VaultOperation,
  path: string,
  data: VaultBody,
): boolean {
  const found = capabilitiesOf(rules, path);
  if (found.has('root')) return true;
  if (!found.has(operation) || (needsSudo(path) && !found.has('sudo'))) return false;
  if (operation !== 'create' && operation !== 'update') return true;
  return rulesFor(rules, path).some(
    ({ allowedParameters }) =>
      !allowedParameters ||
      Object.entries(data).every(([name, value]) => {
        const values = Object.hasOwn(allowedParameters, name) ? allowedParameters[name] : undefined;
        return values !== undefined && (values.length === 0 || values.includes(value));
      }),
  );
}

const needsSudo = (path: string): boolean => path.startsWith('sys/auth/') || path === 'sys/seal';
