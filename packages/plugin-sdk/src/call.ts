/** From a function of request and context to what gRPC wants: errors get a status, cancellation an AbortSignal. */
import { type CallContext, fromMetadata } from '@boi/proto';
import { type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';

/** Who asks, and for how long. */
export interface Call extends CallContext {
  /** Aborted when the node no longer waits for the answer. */
  readonly signal: AbortSignal;
}

const REFUSALS = {
  'invalid-argument': status.INVALID_ARGUMENT,
  'failed-precondition': status.FAILED_PRECONDITION,
  'resource-exhausted': status.RESOURCE_EXHAUSTED,
  'out-of-range': status.OUT_OF_RANGE,
  'not-found': status.NOT_FOUND,
  aborted: status.ABORTED,
  unavailable: status.UNAVAILABLE,
} as const;
export type RefusalKind = keyof typeof REFUSALS;

/** Thrown by a plugin to refuse a call with a reason that the node understands; the message is for a person. */
export class Refusal extends Error {
  readonly kind: RefusalKind;

  constructor(kind: RefusalKind, message: string) {
    super(message);
    this.name = 'Refusal';
    this.kind = kind;
  }
}

/** Longest message that goes into a status: it travels in a header. */
const DETAILS_CHARS_MAX = 1_000;

/** What of an error the node is told. What is no {@link Refusal} is the plugin's fault. */
export function toStatus(error: unknown): { readonly code: status; readonly details: string } {
  const details = (error instanceof Error ? error.message : String(error)).slice(0, DETAILS_CHARS_MAX);
  return { code: error instanceof Refusal ? REFUSALS[error.kind] : status.INTERNAL, details };
}

export function unary<Request, Response>(
  fn: (request: Request, call: Call) => Promise<Response> | Response,
): (call: ServerUnaryCall<Request, Response>, answer: sendUnaryData<Response>) => void {
  return (call, answer) => {
    const cancelled = new AbortController();
    call.on('cancelled', () => cancelled.abort(new Error('the node no longer waits')));
    Promise.resolve()
      .then(() => fn(call.request, { ...fromMetadata(call.metadata), signal: cancelled.signal }))
      .then(
        (response) => answer(null, response),
        (error: unknown) => {
          if (!(error instanceof Refusal)) process.stderr.write(`${(error as Error)?.stack ?? String(error)}\n`);
          answer(toStatus(error));
        },
      );
  };
}

/** A value that must be there; else the call is refused, naming the field as in the contract. */
export function required(value: string | undefined, field: string): string {
  if (value === undefined || value === '') throw new Refusal('invalid-argument', `${field} is missing`);
  return value;
}

/** The fence of a request, which must be above 0. */
export function requiredFence(value: string): string {
  if (!/^[1-9]\d{0,19}$/.test(value)) throw new Refusal('invalid-argument', 'fence must be above 0');
  return value;
}
