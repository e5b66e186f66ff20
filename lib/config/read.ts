/**
 * Reads a config. For each wrong setting the error says where it is, what is wrong, and what would be right.
 */
import { z } from 'zod';
import type { Consistency } from '../../lambda/contract/serving-environment.ts';
import { checkTogether } from './checks.ts';
import { consistencyOf } from './consistency.ts';
import type { ConfigFault } from './fault.ts';
import { withoutObjects } from './objects.ts';
import { loadRegistrationSchema } from './registration-schema.ts';
import { type ConfigInput, type ConfigSettings, configSchema } from './schema.ts';

export type Config = Omit<ConfigSettings, 'registrationSchema' | 'consistency'> & {
  readonly homeRegion: string;
  /** Where keys are made. */
  readonly keysManagedBy: string;
  readonly consistency: Consistency;
  readonly logRetentionDays: number;
  /** The JSON Schema itself, whichever way it was given. */
  readonly registrationSchema: object;
};

/** The config cannot be used. The message names every fault; a stack trace would add nothing. */
export class ConfigError extends Error {
  constructor(faults: readonly ConfigFault[]) {
    super(['The config cannot be used:', ...faults.map((fault) => `  ${describe(fault)}`)].join('\n'));
    this.name = 'ConfigError';
  }
}

/** @throws ConfigError that names every fault */
export function readConfig(input: ConfigInput): Config {
  const objects = withoutObjects(input);
  if (objects.faults.length > 0) throw new ConfigError(objects.faults);
  const { success, data, error } = configSchema.safeParse(objects.plain);
  if (!success) throw new ConfigError(error.issues.flatMap((issue) => toFaults(issue, objects.plain)));
  const registration = loadRegistrationSchema(data.registrationSchema);
  const faults = [...registration.faults, ...checkTogether(data)];
  if (faults.length > 0) throw new ConfigError(faults);
  const homeRegion = data.homeRegion ?? data.regions[0]!.name;
  return {
    ...data,
    homeRegion,
    keysManagedBy: data.keys.managedBy ?? homeRegion,
    consistency: consistencyOf(data),
    logRetentionDays: data.logRetentionDays ?? (data.stage.kind === 'dev' ? 7 : 90),
    registrationSchema: registration.schema,
  };
}

function toFaults(issue: z.core.$ZodIssue, config: unknown): ConfigFault[] {
  const path = issue.path as (string | number)[];
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys((unwrapped(settingAt(path)) as z.ZodObject).shape).join(', ');
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: `is unknown; the settings here are ${known}`,
    }));
  }
  const written = path.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], config);
  if (written === undefined) return [{ path, message: 'is missing' }];
  const got = typeof written === 'object' ? '' : `, got ${JSON.stringify(written)}`;
  return [{ path, message: `${message(issue)}${got}` }];
}

/** Our schema's messages stay as they are; zod's own, which begin with `Invalid`, are put in our words. */
function message(issue: z.core.$ZodIssue): string {
  if (!issue.message.startsWith('Invalid ')) return issue.message;
  if (issue.code === 'invalid_type') return `must be of type ${issue.expected}`;
  if (issue.code === 'invalid_value')
    return `must be ${issue.values.map((value) => `"${String(value)}"`).join(' or ')}`;
  return lowerFirst(issue.message);
}

function describe({ path, message, example }: ConfigFault): string {
  const where = path.reduce<string>((text, key) => text + segment(key, text === ''), '');
  const [right] = example === false ? [] : examplesOf(settingAt(path));
  const shown = right === undefined ? '' : `; for example ${path.at(-1)}: ${JSON.stringify(right)}`;
  return `${where === '' ? 'config' : where}: ${message}${shown}`;
}

function segment(key: string | number, first: boolean): string {
  if (typeof key === 'number') return `[${key}]`;
  if (!/^\w+$/.test(key)) return `[${JSON.stringify(key)}]`;
  return first ? key : `.${key}`;
}

/** @returns the schema of the setting at a path, where there is one */
function settingAt(path: readonly (string | number)[]): z.ZodType | undefined {
  let at: z.ZodType | undefined = configSchema;
  for (const key of path) {
    at = unwrapped(at);
    if (at instanceof z.ZodObject) at = (at.shape as Record<string, z.ZodType>)[key];
    else if (at instanceof z.ZodArray) at = at.element as z.ZodType;
    else return undefined;
  }
  return at;
}

/**
 * @returns examples of a setting, the most telling first. An optional one may have those of its inner form.
 */
export function examplesOf(schema: z.ZodType | undefined): unknown[] {
  const examples = schema?.meta()?.examples as unknown[] | undefined;
  if (examples) return examples;
  return isWrapper(schema) ? examplesOf(schema.unwrap() as z.ZodType) : [];
}

/** @returns the inner form of a setting that is optional or has a default */
const unwrapped = (schema: z.ZodType | undefined): z.ZodType | undefined =>
  isWrapper(schema) ? unwrapped(schema.unwrap() as z.ZodType) : schema;

const isWrapper = (schema: unknown): schema is z.ZodOptional | z.ZodDefault | z.ZodPrefault =>
  schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault;

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
