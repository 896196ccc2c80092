// Original file: proto/boi/provisioner/v1/provisioner.proto

import type { Requirement as _boi_provisioner_v1_Requirement, Requirement__Output as _boi_provisioner_v1_Requirement__Output } from '../../../boi/provisioner/v1/Requirement.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * ProvisionRequest asks for one node.
 */
export interface ProvisionRequest {
  /**
   * Id of the request (`prq_…`).
   */
  'requestId'?: (string);
  /**
   * What the waiting tasks require of the node.
   */
  'requirements'?: (_boi_provisioner_v1_Requirement)[];
  /**
   * The most slots that one of the waiting tasks takes; at least 1.
   */
  'slots'?: (number);
  /**
   * How many tasks wait for it; a hint for its size.
   */
  'tasks'?: (number);
  /**
   * With what the node joins; empty on a cluster without identities. A secret: hand it to the node by file or environment,
   * never write it anywhere else, least of all to the log.
   */
  'joinToken'?: (string);
  /**
   * Where it joins: addresses of nodes of the cluster; at least 1.
   */
  'bootstrapAddresses'?: (string)[];
  /**
   * When the cluster gives up waiting, milliseconds since the Unix epoch.
   */
  'deadlineMs'?: (number | string | Long);
  /**
   * Labels that the node must advertise besides its own.
   */
  'labels'?: ({[key: string]: string});
}

/**
 * ProvisionRequest asks for one node.
 */
export interface ProvisionRequest__Output {
  /**
   * Id of the request (`prq_…`).
   */
  'requestId': (string);
  /**
   * What the waiting tasks require of the node.
   */
  'requirements': (_boi_provisioner_v1_Requirement__Output)[];
  /**
   * The most slots that one of the waiting tasks takes; at least 1.
   */
  'slots': (number);
  /**
   * How many tasks wait for it; a hint for its size.
   */
  'tasks': (number);
  /**
   * With what the node joins; empty on a cluster without identities. A secret: hand it to the node by file or environment,
   * never write it anywhere else, least of all to the log.
   */
  'joinToken': (string);
  /**
   * Where it joins: addresses of nodes of the cluster; at least 1.
   */
  'bootstrapAddresses': (string)[];
  /**
   * When the cluster gives up waiting, milliseconds since the Unix epoch.
   */
  'deadlineMs': (string);
  /**
   * Labels that the node must advertise besides its own.
   */
  'labels': ({[key: string]: string});
}
