// Original file: proto/boi/provisioner/v1/provisioner.proto


/**
 * ProvisionResponse tells that it began.
 */
export interface ProvisionResponse {
  /**
   * The same request had been made before; nothing was started now.
   */
  'alreadyProvisioned'?: (boolean);
  /**
   * What a person finds it by: a process id, an instance's name. At most 256 characters.
   */
  'handle'?: (string);
}

/**
 * ProvisionResponse tells that it began.
 */
export interface ProvisionResponse__Output {
  /**
   * The same request had been made before; nothing was started now.
   */
  'alreadyProvisioned': (boolean);
  /**
   * What a person finds it by: a process id, an instance's name. At most 256 characters.
   */
  'handle': (string);
}
