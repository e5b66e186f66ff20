/** Removes an account's names, addresses and secrets from a text, so that a log can be shown. */

/** @param known texts without a form of their own, such as the name of a hosted zone */
export function redactor(known: readonly string[]): (text: string) => string {
  // A longer text first: the entry's name ends in the zone's.
  const names = [...new Set(known)].filter((name) => name !== '').sort((a, b) => b.length - a.length);
  return (text) =>
    names
      .reduce((left, name) => left.replaceAll(name, 'NAME'), text)
      .replace(/\barn:[\w-]+:[^\s"',;)\]}]*/g, 'ARN')
      .replace(/\b(https?):\/\/[^\s/"',;)\]}]+/g, '$1://HOST')
      .replace(/\b[\w-]+(?:\.[\w-]+)*\.(?:amazonaws\.com(?:\.cn)?|aws)\b/g, 'HOST')
      .replace(/\bcs[kb]_[\w.-]+/g, 'API-KEY')
      .replace(/\beyJ[\w-]+(?:\.[\w-]*)+/g, 'JWT')
      .replace(/\bhv[sbr]\.[\w-]+/g, 'VAULT-TOKEN')
      .replace(/\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g, 'ACCESS-KEY')
      .replace(/\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b/g, 'ADDRESS')
      .replace(/\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b/g, 'EMAIL')
      .replace(/\bZ[A-Z0-9]{12,31}\b/g, 'ZONE')
      .replace(/(?<!\d)\d{12}(?!\d)/g, 'ACCOUNT');
}

const SECRETS = ['VAULT_TOKEN', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'] as const;

/** @returns the secrets of an environment, some of which no form tells */
export const secretsIn = (env: Readonly<Record<string, string | undefined>>): string[] =>
  SECRETS.flatMap((name) => env[name] || []);
