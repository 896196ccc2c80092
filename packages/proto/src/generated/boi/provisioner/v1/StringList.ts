// Original file: proto/boi/provisioner/v1/provisioner.proto


/**
 * StringList is a list of strings where a message is needed.
 */
export interface StringList {
  /**
   * The strings; at least one.
   */
  'values'?: (string)[];
}

/**
 * StringList is a list of strings where a message is needed.
 */
export interface StringList__Output {
  /**
   * The strings; at least one.
   */
  'values': (string)[];
}
