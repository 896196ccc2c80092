// Original file: proto/boi/hooks/v1/hooks.proto

import type { Event as _boi_hooks_v1_Event, Event__Output as _boi_hooks_v1_Event__Output } from '../../../boi/hooks/v1/Event.ts';

/**
 * DeliverRequest carries one event to the plugin.
 */
export interface DeliverRequest {
  /**
   * The event.
   */
  'event'?: (_boi_hooks_v1_Event | null);
}

/**
 * DeliverRequest carries one event to the plugin.
 */
export interface DeliverRequest__Output {
  /**
   * The event.
   */
  'event': (_boi_hooks_v1_Event__Output | null);
}
