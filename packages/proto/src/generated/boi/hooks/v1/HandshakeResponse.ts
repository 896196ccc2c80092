// Original file: proto/boi/hooks/v1/hooks.proto

import type { DeliveryTier as _boi_hooks_v1_DeliveryTier, DeliveryTier__Output as _boi_hooks_v1_DeliveryTier__Output } from '../../../boi/hooks/v1/DeliveryTier.ts';
import type { EventKind as _boi_hooks_v1_EventKind, EventKind__Output as _boi_hooks_v1_EventKind__Output } from '../../../boi/hooks/v1/EventKind.ts';

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
   * What the plugin calls itself, e.g. `hooks-jsonl`: 1 to 64 characters of a-z, 0-9, `-`.
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
  /**
   * Which tier the plugin is made for. A plugin made for best effort is refused where the configuration asks for audit.
   */
  'tier'?: (_boi_hooks_v1_DeliveryTier);
  /**
   * The kinds it wants. Empty: all, also those that are added later.
   */
  'kinds'?: (_boi_hooks_v1_EventKind)[];
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
   * What the plugin calls itself, e.g. `hooks-jsonl`: 1 to 64 characters of a-z, 0-9, `-`.
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
  /**
   * Which tier the plugin is made for. A plugin made for best effort is refused where the configuration asks for audit.
   */
  'tier': (_boi_hooks_v1_DeliveryTier__Output);
  /**
   * The kinds it wants. Empty: all, also those that are added later.
   */
  'kinds': (_boi_hooks_v1_EventKind__Output)[];
}
