// Original file: proto/boi/router/v1/router.proto

import type { TaskFacts as _boi_router_v1_TaskFacts, TaskFacts__Output as _boi_router_v1_TaskFacts__Output } from '../../../boi/router/v1/TaskFacts.ts';
import type { Candidate as _boi_router_v1_Candidate, Candidate__Output as _boi_router_v1_Candidate__Output } from '../../../boi/router/v1/Candidate.ts';

/**
 * HintRequest is tasks that are about to be placed, and the nodes that could take them.
 */
export interface HintRequest {
  /**
   * The tasks; 1 to 256.
   */
  'tasks'?: (_boi_router_v1_TaskFacts)[];
  /**
   * The candidates; at least 1.
   */
  'candidates'?: (_boi_router_v1_Candidate)[];
}

/**
 * HintRequest is tasks that are about to be placed, and the nodes that could take them.
 */
export interface HintRequest__Output {
  /**
   * The tasks; 1 to 256.
   */
  'tasks': (_boi_router_v1_TaskFacts__Output)[];
  /**
   * The candidates; at least 1.
   */
  'candidates': (_boi_router_v1_Candidate__Output)[];
}
