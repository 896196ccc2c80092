// Original file: proto/boi/workspace/v1/workspace.proto


/**
 * CleanupResponse tells what became of it.
 */
export interface CleanupResponse {
  /**
   * There was a workspace.
   */
  'existed'?: (boolean);
  /**
   * Where it was kept; empty if it was removed.
   */
  'keptPath'?: (string);
  /**
   * The commit that was pushed; empty if nothing was. At most 256 characters, without control characters.
   */
  'pushedVersion'?: (string);
}

/**
 * CleanupResponse tells what became of it.
 */
export interface CleanupResponse__Output {
  /**
   * There was a workspace.
   */
  'existed': (boolean);
  /**
   * Where it was kept; empty if it was removed.
   */
  'keptPath': (string);
  /**
   * The commit that was pushed; empty if nothing was. At most 256 characters, without control characters.
   */
  'pushedVersion': (string);
}
