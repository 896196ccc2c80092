// Original file: proto/boi/pool/v1/pool.proto

import type { ListedTask as _boi_pool_v1_ListedTask, ListedTask__Output as _boi_pool_v1_ListedTask__Output } from '../../../boi/pool/v1/ListedTask.ts';

/**
 * ListResponse is what the plugin knows.
 */
export interface ListResponse {
  /**
   * In any order.
   */
  'tasks'?: (_boi_pool_v1_ListedTask)[];
}

/**
 * ListResponse is what the plugin knows.
 */
export interface ListResponse__Output {
  /**
   * In any order.
   */
  'tasks': (_boi_pool_v1_ListedTask__Output)[];
}
