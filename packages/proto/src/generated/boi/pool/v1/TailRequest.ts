// Original file: proto/boi/pool/v1/pool.proto

import type { Long } from '@grpc/proto-loader';

/**
 * TailRequest opens a tail, then acknowledges.
 */
export interface TailRequest {
  /**
   * Id of the task; in the first message.
   */
  'taskId'?: (string);
  /**
   * Fence of the claim; in the first message.
   */
  'fence'?: (number | string | Long);
  /**
   * First byte wanted, in the first message. Below what was acknowledged: OUT_OF_RANGE.
   */
  'fromOffset'?: (number | string | Long);
  /**
   * In later messages: everything before this offset is kept by the node and may be dropped by the plugin.
   */
  'acknowledgedOffset'?: (number | string | Long);
}

/**
 * TailRequest opens a tail, then acknowledges.
 */
export interface TailRequest__Output {
  /**
   * Id of the task; in the first message.
   */
  'taskId': (string);
  /**
   * Fence of the claim; in the first message.
   */
  'fence': (string);
  /**
   * First byte wanted, in the first message. Below what was acknowledged: OUT_OF_RANGE.
   */
  'fromOffset': (string);
  /**
   * In later messages: everything before this offset is kept by the node and may be dropped by the plugin.
   */
  'acknowledgedOffset': (string);
}
