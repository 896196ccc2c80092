// Original file: proto/boi/workspace/v1/workspace.proto

import type { Long } from '@grpc/proto-loader';

/**
 * ListedWorkspace is one workspace.
 */
export interface ListedWorkspace {
  /**
   * Id of the task.
   */
  'taskId'?: (string);
  /**
   * Fence of the claim.
   */
  'fence'?: (number | string | Long);
  /**
   * Absolute path of the directory.
   */
  'path'?: (string);
  /**
   * It was kept by a Cleanup.
   */
  'kept'?: (boolean);
}

/**
 * ListedWorkspace is one workspace.
 */
export interface ListedWorkspace__Output {
  /**
   * Id of the task.
   */
  'taskId': (string);
  /**
   * Fence of the claim.
   */
  'fence': (string);
  /**
   * Absolute path of the directory.
   */
  'path': (string);
  /**
   * It was kept by a Cleanup.
   */
  'kept': (boolean);
}
