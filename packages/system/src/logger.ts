/**
 * The daemon's log: JSON lines on standard error (standard output belongs to what commands answer). Ids are bound once
 * with `logger.child({ node })`; fields that usually hold a secret are censored wherever a line carries them.
 */
import pino, { type DestinationStream, type Logger } from 'pino';

export type { Logger };
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export interface LoggerOptions {
  /** Least severe level that is written. Default `info`. */
  readonly level?: LogLevel;
  /** Which program or part writes; field `name`. */
  readonly name: string;
  /** Fields on every line: ids. */
  readonly bind?: Readonly<Record<string, unknown>>;
  /** A stream, or a file descriptor. Default 2. */
  readonly destination?: DestinationStream | number;
}

const SECRET_FIELDS = ['password', 'secret', 'secrets', 'token', 'authorization', 'cookie', 'privateKey'];
/** At the top, and one and two levels down: `{ token }`, `{ request: { token } }`, `{ req: { headers: { cookie } } }`. */
const REDACTED = SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]);
/** Lines kept when the reader of standard error stalls; beyond it they are dropped, since the daemon must not. */
const PENDING_BYTES_MAX = 16 * 1_048_576;

export function createLogger(options: LoggerOptions): Logger {
  const destination = options.destination ?? 2;
  const stream =
    typeof destination === 'number'
      ? pino.destination({ dest: destination, sync: false, maxLength: PENDING_BYTES_MAX })
      : destination;
  return pino(
    {
      level: options.level ?? 'info',
      base: { name: options.name, pid: process.pid, ...options.bind },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED, censor: '[redacted]' },
    },
    stream,
  );
}
