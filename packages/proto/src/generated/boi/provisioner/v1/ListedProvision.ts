// Original file: proto/boi/provisioner/v1/provisioner.proto

import type { ProvisionState as _boi_provisioner_v1_ProvisionState, ProvisionState__Output as _boi_provisioner_v1_ProvisionState__Output } from '../../../boi/provisioner/v1/ProvisionState.ts';

/**
 * ListedProvision is the node of one request.
 */
export interface ListedProvision {
  /**
   * Id of the request.
   */
  'requestId'?: (string);
  /**
   * How far it has come.
   */
  'state'?: (_boi_provisioner_v1_ProvisionState);
  /**
   * What a person finds it by.
   */
  'handle'?: (string);
  /**
   * Why it failed; for a person, without secrets.
   */
  'message'?: (string);
}

/**
 * ListedProvision is the node of one request.
 */
export interface ListedProvision__Output {
  /**
   * Id of the request.
   */
  'requestId': (string);
  /**
   * How far it has come.
   */
  'state': (_boi_provisioner_v1_ProvisionState__Output);
  /**
   * What a person finds it by.
   */
  'handle': (string);
  /**
   * Why it failed; for a person, without secrets.
   */
  'message': (string);
}
