/**
 * The one table of error codes. Each code has its HTTP status and the CLI's exit code; problem documents, the CLI and
 * the documentation are derived from it. Exit codes: 0 ok, 1 the work failed, 2 usage, 3 cannot reach the cluster,
 * 4 not found, 5 refused (auth or state).
 */
export const ERROR_CODES = {
  'bad-request': { status: 400, exit: 2, title: 'The request is malformed' },
  'invalid-spec': { status: 422, exit: 2, title: 'The spec has errors' },
  'invalid-name': { status: 422, exit: 2, title: 'The name is ill-formed' },
  'reserved-identifier': { status: 409, exit: 5, title: 'The name is reserved' },
  'ambiguous-name': { status: 409, exit: 5, title: 'Several things have this name' },
  'not-found': { status: 404, exit: 4, title: 'There is no such thing' },
  'not-allowed': { status: 405, exit: 2, title: 'The method is not allowed here' },
  'wrong-state': { status: 409, exit: 5, title: 'The state does not allow it' },
  'idempotency-conflict': { status: 409, exit: 5, title: 'The idempotency key was used for another request' },
  conflict: { status: 409, exit: 5, title: 'Somebody changed it meanwhile' },
  'too-large': { status: 413, exit: 2, title: 'The request is too large' },
  'unsupported-media-type': { status: 415, exit: 2, title: 'The content type is not supported' },
  'rate-limited': { status: 429, exit: 5, title: 'Too many requests' },
  'identity-in-use': { status: 409, exit: 5, title: 'A live node has this identity' },
  'schema-unknown': { status: 409, exit: 5, title: 'The record is of an unknown version' },
  'version-skew': { status: 409, exit: 5, title: 'The versions of the nodes are too far apart' },
  unauthenticated: { status: 401, exit: 5, title: 'Who asks is not known' },
  forbidden: { status: 403, exit: 5, title: 'The role does not allow it' },
  'token-invalid': { status: 401, exit: 5, title: 'The join token is malformed or tampered with' },
  'token-expired': { status: 401, exit: 5, title: 'The join token has expired' },
  'token-revoked': { status: 401, exit: 5, title: 'The join token was revoked' },
  'token-wrong-cluster': { status: 401, exit: 5, title: 'The join token is of another cluster' },
  'token-spent': { status: 409, exit: 5, title: 'The join token was used before' },
  'token-binding': { status: 403, exit: 5, title: 'The join token is for another node' },
  'not-admin-node': { status: 421, exit: 5, title: 'This node holds no CA key' },
  'already-initialised': { status: 409, exit: 5, title: 'The prefix holds a cluster' },
  'cycle-detected': { status: 409, exit: 5, title: 'The group would contain itself' },
  'untrusted-server': { status: 502, exit: 5, title: 'The node that was asked is not trusted' },
  'log-unavailable': { status: 404, exit: 4, title: 'The log is not available' },
  'holder-unreachable': { status: 502, exit: 3, title: 'The node that holds it cannot be reached' },
  'store-unreachable': { status: 503, exit: 3, title: 'The store cannot be reached' },
  'outcome-unknown': { status: 503, exit: 3, title: 'Whether it was applied is not known' },
  unavailable: { status: 503, exit: 3, title: 'This node cannot serve it now' },
  unreachable: { status: 503, exit: 3, title: 'The cluster cannot be reached' },
  'plugin-failed': { status: 502, exit: 3, title: 'A plugin failed' },
  'config-invalid': { status: 400, exit: 2, title: 'The configuration has errors' },
  'insecure-refused': { status: 400, exit: 2, title: 'Plain HTTP is for loopback only' },
  internal: { status: 500, exit: 1, title: 'A bug in boi-node' },
} as const satisfies Record<string, { status: number; exit: 0 | 1 | 2 | 3 | 4 | 5; title: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** One thing wrong with an input. `path` is a JSON pointer into it; `line` and `column` count from 1 where it came from a file. */
export interface Issue {
  path: string;
  message: string;
  line?: number;
  column?: number;
}

export interface BoiErrorOptions {
  cause?: unknown;
  /** Everything that is wrong with the input, not the first thing only. */
  issues?: readonly Issue[];
  /** Facts for programs: ids, limits, revisions. Never secrets. */
  details?: Readonly<Record<string, unknown>>;
  /** Seconds after which asking again makes sense; becomes `Retry-After`. */
  retryAfterS?: number;
}

/** An operating error: made where it is known, mapped once to an HTTP status and an exit code. The message says what to do. */
export class BoiError extends Error {
  readonly code: ErrorCode;
  readonly issues: readonly Issue[];
  readonly details: Readonly<Record<string, unknown>>;
  readonly retryAfterS: number | undefined;

  constructor(code: ErrorCode, message: string, options: BoiErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'BoiError';
    this.code = code;
    this.issues = options.issues ?? [];
    this.details = options.details ?? {};
    this.retryAfterS = options.retryAfterS;
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }

  get exitCode(): number {
    return ERROR_CODES[this.code].exit;
  }
}

/** A programmer error: an invariant does not hold. Never caught to go on. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
