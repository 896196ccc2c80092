// Original file: proto/boi/hooks/v1/hooks.proto


/**
 * HandshakeRequest introduces the node.
 */
export interface HandshakeRequest {
  /**
   * Minor version of this contract that the node speaks, from 0. The major version is in the package name. Fields and
   * kinds of a later minor are not sent to whoever answered an earlier one in a way it would have to understand.
   */
  'minor'?: (number);
  /**
   * Version of boi-node, for the plugin's log.
   */
  'hostVersion'?: (string);
  /**
   * Id of the node (`nod_…`).
   */
  'nodeId'?: (string);
  /**
   * Name that the plugin has in the node's configuration; also in BOI_PLUGIN_ID.
   */
  'pluginId'?: (string);
}

/**
 * HandshakeRequest introduces the node.
 */
export interface HandshakeRequest__Output {
  /**
   * Minor version of this contract that the node speaks, from 0. The major version is in the package name. Fields and
   * kinds of a later minor are not sent to whoever answered an earlier one in a way it would have to understand.
   */
  'minor': (number);
  /**
   * Version of boi-node, for the plugin's log.
   */
  'hostVersion': (string);
  /**
   * Id of the node (`nod_…`).
   */
  'nodeId': (string);
  /**
   * Name that the plugin has in the node's configuration; also in BOI_PLUGIN_ID.
   */
  'pluginId': (string);
}
