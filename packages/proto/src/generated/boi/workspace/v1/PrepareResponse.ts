// Original file: proto/boi/workspace/v1/workspace.proto


/**
 * PrepareResponse is a workspace that can be used.
 */
export interface PrepareResponse {
  /**
   * Absolute path of the directory, which is there; at most 4096 bytes, without control characters.
   */
  'path'?: (string);
  /**
   * Variables for the task's environment, e.g. BOI_GIT_COMMIT. Names of A-Z, 0-9, `_`.
   */
  'env'?: ({[key: string]: string});
  /**
   * Which version it is exactly, e.g. the commit. At most 256 characters, without control characters: it is an output of the task.
   */
  'version'?: (string);
  /**
   * It had been prepared before.
   */
  'alreadyPrepared'?: (boolean);
}

/**
 * PrepareResponse is a workspace that can be used.
 */
export interface PrepareResponse__Output {
  /**
   * Absolute path of the directory, which is there; at most 4096 bytes, without control characters.
   */
  'path': (string);
  /**
   * Variables for the task's environment, e.g. BOI_GIT_COMMIT. Names of A-Z, 0-9, `_`.
   */
  'env': ({[key: string]: string});
  /**
   * Which version it is exactly, e.g. the commit. At most 256 characters, without control characters: it is an output of the task.
   */
  'version': (string);
  /**
   * It had been prepared before.
   */
  'alreadyPrepared': (boolean);
}
