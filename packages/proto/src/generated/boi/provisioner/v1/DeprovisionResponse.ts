// Original file: proto/boi/provisioner/v1/provisioner.proto


/**
 * DeprovisionResponse tells whether there was anything.
 */
export interface DeprovisionResponse {
  /**
   * There was something, and it is gone.
   */
  'existed'?: (boolean);
}

/**
 * DeprovisionResponse tells whether there was anything.
 */
export interface DeprovisionResponse__Output {
  /**
   * There was something, and it is gone.
   */
  'existed': (boolean);
}
