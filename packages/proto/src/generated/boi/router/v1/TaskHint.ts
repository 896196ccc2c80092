// Original file: proto/boi/router/v1/router.proto

import type { NodeHint as _boi_router_v1_NodeHint, NodeHint__Output as _boi_router_v1_NodeHint__Output } from '../../../boi/router/v1/NodeHint.ts';

/**
 * TaskHint is the advice for one task.
 */
export interface TaskHint {
  /**
   * Id of the task; one of those asked for.
   */
  'taskId'?: (string);
  /**
   * Ratings. Nodes that are not rated keep a preference of 1.
   */
  'nodes'?: (_boi_router_v1_NodeHint)[];
}

/**
 * TaskHint is the advice for one task.
 */
export interface TaskHint__Output {
  /**
   * Id of the task; one of those asked for.
   */
  'taskId': (string);
  /**
   * Ratings. Nodes that are not rated keep a preference of 1.
   */
  'nodes': (_boi_router_v1_NodeHint__Output)[];
}
