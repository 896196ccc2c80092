/** An answer that is no success as a {@link BoiError}: the daemon's own code where it sent a problem document, else by status. */
import { BoiError, ERROR_CODES, type ErrorCode, type Issue } from '@boi/core/errors';

export function problemToError(
  origin: string,
  status: number,
  contentType: string,
  text: string,
  retryAfter: string | undefined,
): BoiError {
  const problem = contentType.startsWith('application/problem+json') ? parse(text) : undefined;
  const seconds = retryAfter !== undefined && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : undefined;
  const after = seconds === undefined ? {} : { retryAfterS: seconds };
  if (problem === undefined) {
    return new BoiError(
      byStatus(status),
      `${origin} answered ${status} without saying why; is that the API of a boi-node?`,
      after,
    );
  }
  const code =
    typeof problem.code === 'string' && Object.hasOwn(ERROR_CODES, problem.code)
      ? (problem.code as ErrorCode)
      : byStatus(status);
  const detail = typeof problem.detail === 'string' ? problem.detail : ERROR_CODES[code].title;
  const details = typeof problem.details === 'object' && problem.details !== null ? problem.details : {};
  return new BoiError(code, detail, {
    issues: Array.isArray(problem.issues) ? problem.issues.filter(isIssue) : [],
    details: {
      ...(details as Record<string, unknown>),
      ...(typeof problem.requestId === 'string' ? { requestId: problem.requestId } : {}),
    },
    ...after,
  });
}

function isIssue(value: unknown): value is Issue {
  const issue = value as Partial<Issue> | null;
  return typeof issue === 'object' && typeof issue?.path === 'string' && typeof issue.message === 'string';
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function byStatus(status: number): ErrorCode {
  switch (status) {
    case 400:
      return 'bad-request';
    case 404:
      return 'not-found';
    case 405:
      return 'not-allowed';
    case 409:
      return 'wrong-state';
    case 413:
      return 'too-large';
    case 415:
      return 'unsupported-media-type';
    case 429:
      return 'rate-limited';
    case 502:
    case 503:
    case 504:
      return 'unavailable';
    default:
      return 'internal';
  }
}
