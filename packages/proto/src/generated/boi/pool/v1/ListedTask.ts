// Original file: proto/boi/pool/v1/pool.proto

import type { Long } from '@grpc/proto-loader';

/**
 * ListedTask is a task that the plugin knows.
 */
export interface ListedTask {
  /**
   * Id of the task.
   */
  'taskId'?: (string);
  /**
   * Fence of the claim.
   */
  'fence'?: (number | string | Long);
  /**
   * It runs; else it has ended and was not released.
   */
  'running'?: (boolean);
  /**
   * What a person finds it by.
   */
  'handle'?: (string);
}

/**
 * ListedTask is a task that the plugin knows.
 */
export interface ListedTask__Output {
  /**
   * Id of the task.
   */
  'taskId': (string);
  /**
   * Fence of the claim.
   */
  'fence': (string);
  /**
   * It runs; else it has ended and was not released.
   */
  'running': (boolean);
  /**
   * What a person finds it by.
   */
  'handle': (string);
}
