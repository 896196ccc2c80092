// Original file: proto/boi/router/v1/router.proto

import type { TaskHint as _boi_router_v1_TaskHint, TaskHint__Output as _boi_router_v1_TaskHint__Output } from '../../../boi/router/v1/TaskHint.ts';

/**
 * HintResponse is the advice.
 */
export interface HintResponse {
  /**
   * At most one for each task; a task without one is placed as if there were no plugin.
   */
  'hints'?: (_boi_router_v1_TaskHint)[];
}

/**
 * HintResponse is the advice.
 */
export interface HintResponse__Output {
  /**
   * At most one for each task; a task without one is placed as if there were no plugin.
   */
  'hints': (_boi_router_v1_TaskHint__Output)[];
}
