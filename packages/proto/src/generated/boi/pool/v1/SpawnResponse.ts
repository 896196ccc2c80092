// Original file: proto/boi/pool/v1/pool.proto


/**
 * SpawnResponse tells that the task runs, ran, or failed to start.
 */
export interface SpawnResponse {
  /**
   * The same pair had been spawned before; nothing was started now.
   */
  'alreadySpawned'?: (boolean);
  /**
   * What a person finds it by: a process id, the name of a container. At most 256 characters.
   */
  'handle'?: (string);
}

/**
 * SpawnResponse tells that the task runs, ran, or failed to start.
 */
export interface SpawnResponse__Output {
  /**
   * The same pair had been spawned before; nothing was started now.
   */
  'alreadySpawned': (boolean);
  /**
   * What a person finds it by: a process id, the name of a container. At most 256 characters.
   */
  'handle': (string);
}
