// Original file: proto/boi/provisioner/v1/provisioner.proto

import type { ListedProvision as _boi_provisioner_v1_ListedProvision, ListedProvision__Output as _boi_provisioner_v1_ListedProvision__Output } from '../../../boi/provisioner/v1/ListedProvision.ts';

/**
 * ListResponse is what there is.
 */
export interface ListResponse {
  /**
   * In any order.
   */
  'provisions'?: (_boi_provisioner_v1_ListedProvision)[];
}

/**
 * ListResponse is what there is.
 */
export interface ListResponse__Output {
  /**
   * In any order.
   */
  'provisions': (_boi_provisioner_v1_ListedProvision__Output)[];
}
