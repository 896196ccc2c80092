// Original file: proto/boi/router/v1/router.proto


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
