// Original file: proto/boi/provisioner/v1/provisioner.proto


/**
 * DeprovisionRequest names what to remove.
 */
export interface DeprovisionRequest {
  /**
   * Id of the request.
   */
  'requestId'?: (string);
}

/**
 * DeprovisionRequest names what to remove.
 */
export interface DeprovisionRequest__Output {
  /**
   * Id of the request.
   */
  'requestId': (string);
}
