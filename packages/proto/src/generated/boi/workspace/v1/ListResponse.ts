// Original file: proto/boi/workspace/v1/workspace.proto

import type { ListedWorkspace as _boi_workspace_v1_ListedWorkspace, ListedWorkspace__Output as _boi_workspace_v1_ListedWorkspace__Output } from '../../../boi/workspace/v1/ListedWorkspace.ts';

/**
 * ListResponse is what there is.
 */
export interface ListResponse {
  /**
   * In any order.
   */
  'workspaces'?: (_boi_workspace_v1_ListedWorkspace)[];
}

/**
 * ListResponse is what there is.
 */
export interface ListResponse__Output {
  /**
   * In any order.
   */
  'workspaces': (_boi_workspace_v1_ListedWorkspace__Output)[];
}
