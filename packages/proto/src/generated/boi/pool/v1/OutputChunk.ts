// Original file: proto/boi/pool/v1/pool.proto

import type { OutputStream as _boi_pool_v1_OutputStream, OutputStream__Output as _boi_pool_v1_OutputStream__Output } from '../../../boi/pool/v1/OutputStream.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * OutputChunk is a piece of output. Offsets count the bytes of both streams together, in the order of arrival.
 */
export interface OutputChunk {
  /**
   * Offset of the first byte; equals the end of the chunk before it.
   */
  'offset'?: (number | string | Long);
  /**
   * Where it was written.
   */
  'stream'?: (_boi_pool_v1_OutputStream);
  /**
   * The bytes: 1 to 1 MiB.
   */
  'data'?: (Buffer | Uint8Array | string);
}

/**
 * OutputChunk is a piece of output. Offsets count the bytes of both streams together, in the order of arrival.
 */
export interface OutputChunk__Output {
  /**
   * Offset of the first byte; equals the end of the chunk before it.
   */
  'offset': (string);
  /**
   * Where it was written.
   */
  'stream': (_boi_pool_v1_OutputStream__Output);
  /**
   * The bytes: 1 to 1 MiB.
   */
  'data': (Buffer);
}
