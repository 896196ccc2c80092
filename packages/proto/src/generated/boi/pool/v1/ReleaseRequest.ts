// Original file: proto/boi/pool/v1/pool.proto

import type { Long } from '@grpc/proto-loader';

/**
 * ReleaseRequest names what to forget.
 */
export interface ReleaseRequest {
  /**
   * Id of the task.
   */
  'taskId'?: (string);
  /**
   * Fence of the claim.
   */
  'fence'?: (number | string | Long);
}

/**
 * ReleaseRequest names what to forget.
 */
export interface ReleaseRequest__Output {
  /**
   * Id of the task.
   */
  'taskId': (string);
  /**
   * Fence of the claim.
   */
  'fence': (string);
}
