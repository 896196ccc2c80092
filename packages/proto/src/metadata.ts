/** Metadata that goes with calls about a claim, so that a plugin can tell a stale caller from the current one. */
import { Metadata } from '@grpc/grpc-js';

/** Fence of the claim, decimal. */
export const FENCE_METADATA = 'boi-claim-fence';
/** Session epoch of the calling node, decimal. */
export const EPOCH_METADATA = 'boi-session-epoch';
/** Correlates what one request brought about: the id of the spec. */
export const CORRELATION_METADATA = 'boi-corr-id';

/** On whose behalf a call is made. */
export interface CallContext {
  /** Decimal. */
  readonly fence?: string;
  /** Decimal. */
  readonly epoch?: string;
  readonly correlation?: string;
}

export function toMetadata(context: CallContext = {}): Metadata {
  const metadata = new Metadata();
  if (context.fence !== undefined) metadata.set(FENCE_METADATA, context.fence);
  if (context.epoch !== undefined) metadata.set(EPOCH_METADATA, context.epoch);
  if (context.correlation !== undefined) metadata.set(CORRELATION_METADATA, context.correlation);
  return metadata;
}

export function fromMetadata(metadata: Metadata): CallContext {
  const value = (name: string) => metadata.get(name)[0]?.toString();
  const fence = value(FENCE_METADATA);
  const epoch = value(EPOCH_METADATA);
  const correlation = value(CORRELATION_METADATA);
  return {
    ...(fence === undefined ? {} : { fence }),
    ...(epoch === undefined ? {} : { epoch }),
    ...(correlation === undefined ? {} : { correlation }),
  };
}
