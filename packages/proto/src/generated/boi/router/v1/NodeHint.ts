// Original file: proto/boi/router/v1/router.proto


/**
 * NodeHint rates a node for a task.
 */
export interface NodeHint {
  /**
   * Id of the node; one of the task's eligible candidates.
   */
  'nodeId'?: (string);
  /**
   * Multiplies the node's weight: above 0 to 100; 1 changes nothing. 0 leaves the node out, unless that would leave none.
   */
  'preference'?: (number | string);
}

/**
 * NodeHint rates a node for a task.
 */
export interface NodeHint__Output {
  /**
   * Id of the node; one of the task's eligible candidates.
   */
  'nodeId': (string);
  /**
   * Multiplies the node's weight: above 0 to 100; 1 changes nothing. 0 leaves the node out, unless that would leave none.
   */
  'preference': (number);
}
