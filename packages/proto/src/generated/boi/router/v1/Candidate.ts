// Original file: proto/boi/router/v1/router.proto


/**
 * Candidate is a node.
 */
export interface Candidate {
  /**
   * Id of the node.
   */
  'nodeId'?: (string);
  /**
   * How many slots it has.
   */
  'slots'?: (number);
  /**
   * How many of them run something.
   */
  'busy'?: (number);
  /**
   * How many slots' worth of tasks waits in its queue.
   */
  'queued'?: (number);
  /**
   * What it advertises: `os`, `arch`, `cpus`, `memory` and labels, as strings.
   */
  'capabilities'?: ({[key: string]: string});
}

/**
 * Candidate is a node.
 */
export interface Candidate__Output {
  /**
   * Id of the node.
   */
  'nodeId': (string);
  /**
   * How many slots it has.
   */
  'slots': (number);
  /**
   * How many of them run something.
   */
  'busy': (number);
  /**
   * How many slots' worth of tasks waits in its queue.
   */
  'queued': (number);
  /**
   * What it advertises: `os`, `arch`, `cpus`, `memory` and labels, as strings.
   */
  'capabilities': ({[key: string]: string});
}
