// Original file: proto/boi/workspace/v1/workspace.proto

import type { Long } from '@grpc/proto-loader';

/**
 * CleanupRequest disposes of a workspace.
 */
export interface CleanupRequest {
  /**
   * Id of the task.
   */
  'taskId'?: (string);
  /**
   * Fence of the claim.
   */
  'fence'?: (number | string | Long);
  /**
   * Leave the directory where it is, e.g. because the task failed and a person wants to look.
   */
  'keep'?: (boolean);
  /**
   * If not empty: push what the task committed to this branch of the source first. If the push fails, the workspace is
   * kept and the call fails with ABORTED, so that nothing is lost; call again to try again.
   */
  'pushBranch'?: (string);
}

/**
 * CleanupRequest disposes of a workspace.
 */
export interface CleanupRequest__Output {
  /**
   * Id of the task.
   */
  'taskId': (string);
  /**
   * Fence of the claim.
   */
  'fence': (string);
  /**
   * Leave the directory where it is, e.g. because the task failed and a person wants to look.
   */
  'keep': (boolean);
  /**
   * If not empty: push what the task committed to this branch of the source first. If the push fails, the workspace is
   * kept and the call fails with ABORTED, so that nothing is lost; call again to try again.
   */
  'pushBranch': (string);
}
