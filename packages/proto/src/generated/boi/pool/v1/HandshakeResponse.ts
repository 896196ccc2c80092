// Original file: proto/boi/pool/v1/pool.proto


/**
 * HandshakeResponse introduces the plugin.
 */
export interface HandshakeResponse {
  /**
   * Major version of the contract, as in the package name: 1. Anything else is refused.
   */
  'major'?: (number);
  /**
   * Minor version that the plugin speaks, from 0. A later one than the node's is fine.
   */
  'minor'?: (number);
  /**
   * What the plugin calls itself: 1 to 64 characters of a-z, 0-9, `-`.
   */
  'name'?: (string);
  /**
   * Its version, 1 to 64 printable characters of ASCII; shown, never compared.
   */
  'version'?: (string);
  /**
   * Optional abilities, each a word of a-z, 0-9, `-`, `_`. Unknown ones are ignored. None are defined in 1.0.
   */
  'capabilities'?: (string)[];
}

/**
 * HandshakeResponse introduces the plugin.
 */
export interface HandshakeResponse__Output {
  /**
   * Major version of the contract, as in the package name: 1. Anything else is refused.
   */
  'major': (number);
  /**
   * Minor version that the plugin speaks, from 0. A later one than the node's is fine.
   */
  'minor': (number);
  /**
   * What the plugin calls itself: 1 to 64 characters of a-z, 0-9, `-`.
   */
  'name': (string);
  /**
   * Its version, 1 to 64 printable characters of ASCII; shown, never compared.
   */
  'version': (string);
  /**
   * Optional abilities, each a word of a-z, 0-9, `-`, `_`. Unknown ones are ignored. None are defined in 1.0.
   */
  'capabilities': (string)[];
}
