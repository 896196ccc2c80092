/** Errors on the wire: `application/problem+json` with the closed vocabulary of `ERROR_CODES`. The only place that maps them. */
import { BoiError, ERROR_CODES, type Issue, type Problem } from '@boi/core';
import type { FastifyError } from 'fastify';

export const PROBLEM_TYPE = 'application/problem+json';

export function problemOf(error: BoiError, requestId?: string): Problem {
  const { title, status } = ERROR_CODES[error.code];
  return {
    type: `urn:boi:problem:${error.code}`,
    title,
    status,
    code: error.code,
    detail: error.message,
    ...(error.issues.length > 0 ? { issues: error.issues.map((i) => ({ ...i })) } : {}),
    ...(Object.keys(error.details).length > 0 ? { details: { ...error.details } } : {}),
    ...(requestId === undefined ? {} : { requestId }),
  };
}

/** Whatever was thrown while serving a request, as an operating error. What is not known is `internal`, without its text. */
export function toBoiError(error: unknown): BoiError {
  if (error instanceof BoiError) return error;
  const e = error as FastifyError;
  if (e.validation !== undefined) {
    const where = e.validationContext === 'querystring' ? 'query' : (e.validationContext ?? 'body');
    const issues = e.validation.map((v) => validationIssue(where, v));
    return new BoiError('bad-request', issues.map((i) => `${i.path}: ${i.message}`).join('; '), { issues });
  }
  switch (e.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new BoiError(
        'too-large',
        'The body is larger than this node accepts (1.5 MiB; a spec file 1 MiB; 64 KiB without a credential).',
        {
          details: { limit: 'body-bytes' },
        },
      );
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new BoiError('unsupported-media-type', 'Send `content-type: application/json`.');
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return new BoiError('bad-request', 'The body is empty; send a JSON object, `{}` if there is nothing to say.');
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new BoiError('bad-request', 'The body is not as long as `content-length` says.');
    case 'FST_ERR_BAD_URL':
      return new BoiError('bad-request', 'The path is not valid percent-encoding.');
    default:
  }
  if (e.statusCode !== undefined && e.statusCode >= 400 && e.statusCode < 500) {
    return new BoiError('bad-request', e.message, { cause: error });
  }
  return new BoiError('internal', 'A bug in boi-node; the daemon log has the details under this request id.', {
    cause: error,
  });
}

function validationIssue(
  where: string,
  v: { instancePath: string; keyword: string; params: Record<string, unknown>; message?: string },
): Issue {
  const base = `/${where}${v.instancePath}`;
  const p = v.params;
  switch (v.keyword) {
    case 'additionalProperties':
      return { path: `${base}/${String(p.additionalProperty)}`, message: 'is not a field here; remove it' };
    case 'required':
      return { path: `${base}/${String(p.missingProperty)}`, message: 'is missing' };
    case 'enum':
      return { path: base, message: `must be one of ${(p.allowedValues as unknown[]).join(', ')}` };
    case 'const':
      return { path: base, message: `must be ${JSON.stringify(p.allowedValue)}` };
    case 'type':
      return { path: base, message: `must be ${String(p.type)}; leave an optional field out rather than null` };
    default:
      return { path: base, message: v.message ?? 'is malformed' };
  }
}
