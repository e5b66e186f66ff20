/** Logs what a client does, without keys, proofs, nonces, ids and users. */
import { InvalidArgumentError } from './errors.ts';
import { type LogFields, loggable } from './loggable.ts';

/** Where a client logs: `console`, or a logger with these functions. */
export interface Logger {
  debug(message: string, fields: LogFields): void;
  info(message: string, fields: LogFields): void;
  warn(message: string, fields: LogFields): void;
}

/** `debug`: each answer and retry too. `info`: failed calls and new keys too. `warn`: a key that ends. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'off';

const LEVELS = ['debug', 'info', 'warn', 'off'] as const satisfies readonly LogLevel[];
const FUNCTIONS = ['debug', 'info', 'warn'] as const satisfies readonly (keyof Logger)[];

/** Writes an entry: what happened, with its fields as text and as an object. */
export type Log = (level: Exclude<LogLevel, 'off'>, what: string, fields?: LogFields) => void;

/** @throws InvalidArgumentError where the logger or the level is none */
export function createLog(logger: Logger, least: LogLevel): Log {
  if (!FUNCTIONS.every((name) => typeof (logger as Partial<Logger> | null)?.[name] === 'function'))
    throw new InvalidArgumentError('logger must have the functions debug, info, warn');
  const rank = LEVELS.indexOf(least);
  if (rank < 0) throw new InvalidArgumentError(`logLevel must be one of ${LEVELS.join(', ')}`);
  return (level, what, fields = {}) => {
    if (LEVELS.indexOf(level) < rank) return;
    const shown = loggable(fields);
    const text = Object.entries(shown).map(([name, value]) => ` ${name}=${value}`);
    try {
      logger[level](`countersign: ${what}${text.join('')}`, shown);
    } catch {
      // A logger that fails must not fail the call.
    }
  };
}
