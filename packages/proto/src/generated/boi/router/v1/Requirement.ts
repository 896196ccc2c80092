// Original file: proto/boi/router/v1/router.proto

import type { StringList as _boi_router_v1_StringList, StringList__Output as _boi_router_v1_StringList__Output } from '../../../boi/router/v1/StringList.ts';

/**
 * Requirement is one thing that a node must have.
 */
export interface Requirement {
  /**
   * What is looked at: `os`, `arch`, `cpus`, `memory` (bytes), or a label.
   */
  'key'?: (string);
  /**
   * It exists (true) or does not (false).
   */
  'exists'?: (boolean);
  /**
   * It is exactly this.
   */
  'equals'?: (string);
  /**
   * It is one of these.
   */
  'oneOf'?: (_boi_router_v1_StringList | null);
  /**
   * As a number it is at least this.
   */
  'atLeast'?: (number | string);
  /**
   * As a number it is at most this.
   */
  'atMost'?: (number | string);
  /**
   * What must be true of it.
   */
  'test'?: "exists"|"equals"|"oneOf"|"atLeast"|"atMost";
}

/**
 * Requirement is one thing that a node must have.
 */
export interface Requirement__Output {
  /**
   * What is looked at: `os`, `arch`, `cpus`, `memory` (bytes), or a label.
   */
  'key': (string);
  /**
   * It exists (true) or does not (false).
   */
  'exists'?: (boolean);
  /**
   * It is exactly this.
   */
  'equals'?: (string);
  /**
   * It is one of these.
   */
  'oneOf'?: (_boi_router_v1_StringList__Output | null);
  /**
   * As a number it is at least this.
   */
  'atLeast'?: (number);
  /**
   * As a number it is at most this.
   */
  'atMost'?: (number);
  /**
   * What must be true of it.
   */
  'test'?: "exists"|"equals"|"oneOf"|"atLeast"|"atMost";
}
