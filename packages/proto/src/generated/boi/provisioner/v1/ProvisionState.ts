// Original file: proto/boi/provisioner/v1/provisioner.proto

/**
 * ProvisionState tells how far a node has come.
 */
export const ProvisionState = {
  /**
   * Not set; refused.
   */
  PROVISION_STATE_UNSPECIFIED: 'PROVISION_STATE_UNSPECIFIED',
  /**
   * It is being made.
   */
  PROVISION_STATE_STARTING: 'PROVISION_STATE_STARTING',
  /**
   * Its program runs. Whether it has joined only the cluster knows.
   */
  PROVISION_STATE_RUNNING: 'PROVISION_STATE_RUNNING',
  /**
   * It could not be made, or ended by itself.
   */
  PROVISION_STATE_FAILED: 'PROVISION_STATE_FAILED',
} as const;

/**
 * ProvisionState tells how far a node has come.
 */
export type ProvisionState =
  /**
   * Not set; refused.
   */
  | 'PROVISION_STATE_UNSPECIFIED'
  | 0
  /**
   * It is being made.
   */
  | 'PROVISION_STATE_STARTING'
  | 1
  /**
   * Its program runs. Whether it has joined only the cluster knows.
   */
  | 'PROVISION_STATE_RUNNING'
  | 2
  /**
   * It could not be made, or ended by itself.
   */
  | 'PROVISION_STATE_FAILED'
  | 3

/**
 * ProvisionState tells how far a node has come.
 */
export type ProvisionState__Output = typeof ProvisionState[keyof typeof ProvisionState]
