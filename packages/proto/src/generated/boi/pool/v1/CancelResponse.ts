// Original file: proto/boi/pool/v1/pool.proto


/**
 * CancelResponse tells whether there was anything to stop.
 */
export interface CancelResponse {
  /**
   * The task was running.
   */
  'wasRunning'?: (boolean);
}

/**
 * CancelResponse tells whether there was anything to stop.
 */
export interface CancelResponse__Output {
  /**
   * The task was running.
   */
  'wasRunning': (boolean);
}
