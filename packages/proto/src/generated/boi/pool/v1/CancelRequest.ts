// Original file: proto/boi/pool/v1/pool.proto

import type { Long } from '@grpc/proto-loader';

/**
 * CancelRequest names what to stop.
 */
export interface CancelRequest {
  /**
   * Id of the task.
   */
  'taskId'?: (string);
  /**
   * Fence of the claim.
   */
  'fence'?: (number | string | Long);
  /**
   * Milliseconds between asking and force; 0: force at once.
   */
  'graceMs'?: (number);
}

/**
 * CancelRequest names what to stop.
 */
export interface CancelRequest__Output {
  /**
   * Id of the task.
   */
  'taskId': (string);
  /**
   * Fence of the claim.
   */
  'fence': (string);
  /**
   * Milliseconds between asking and force; 0: force at once.
   */
  'graceMs': (number);
}
