// Original file: proto/boi/workspace/v1/workspace.proto

import type { Long } from '@grpc/proto-loader';

/**
 * PrepareRequest asks for a workspace.
 */
export interface PrepareRequest {
  /**
   * Id of the task (`tsk_…`).
   */
  'taskId'?: (string);
  /**
   * Fence of the claim; greater than 0.
   */
  'fence'?: (number | string | Long);
  /**
   * Id of the project.
   */
  'projectId'?: (string);
  /**
   * Where the content comes from, in the plugin's own terms: a repository's address for workspace-git.
   */
  'source'?: (string);
  /**
   * Which version of it: a branch, tag or commit; empty: the source's default.
   */
  'ref'?: (string);
  /**
   * More settings in the plugin's own terms. Unknown ones are refused with INVALID_ARGUMENT.
   */
  'options'?: ({[key: string]: string});
}

/**
 * PrepareRequest asks for a workspace.
 */
export interface PrepareRequest__Output {
  /**
   * Id of the task (`tsk_…`).
   */
  'taskId': (string);
  /**
   * Fence of the claim; greater than 0.
   */
  'fence': (string);
  /**
   * Id of the project.
   */
  'projectId': (string);
  /**
   * Where the content comes from, in the plugin's own terms: a repository's address for workspace-git.
   */
  'source': (string);
  /**
   * Which version of it: a branch, tag or commit; empty: the source's default.
   */
  'ref': (string);
  /**
   * More settings in the plugin's own terms. Unknown ones are refused with INVALID_ARGUMENT.
   */
  'options': ({[key: string]: string});
}
