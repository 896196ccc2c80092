// Original file: proto/boi/hooks/v1/hooks.proto

/**
 * DeliveryTier says what an acknowledgement means and what the node does until it has one.
 */
export const DeliveryTier = {
  /**
   * Not set; refused in a handshake.
   */
  DELIVERY_TIER_UNSPECIFIED: 'DELIVERY_TIER_UNSPECIFIED',
  /**
   * Events wait in a bounded queue in memory. When it is full the oldest are dropped, which shows as a gap in `sequence`.
   */
  DELIVERY_TIER_BEST_EFFORT: 'DELIVERY_TIER_BEST_EFFORT',
  /**
   * Events are on the node's disk before the change they tell of is made. `sequence` has no gaps, also over restarts of
   * plugin and node. Acknowledge only what is durable: it is never sent again. With 100 events unacknowledged the node's work waits.
   */
  DELIVERY_TIER_AUDIT: 'DELIVERY_TIER_AUDIT',
} as const;

/**
 * DeliveryTier says what an acknowledgement means and what the node does until it has one.
 */
export type DeliveryTier =
  /**
   * Not set; refused in a handshake.
   */
  | 'DELIVERY_TIER_UNSPECIFIED'
  | 0
  /**
   * Events wait in a bounded queue in memory. When it is full the oldest are dropped, which shows as a gap in `sequence`.
   */
  | 'DELIVERY_TIER_BEST_EFFORT'
  | 1
  /**
   * Events are on the node's disk before the change they tell of is made. `sequence` has no gaps, also over restarts of
   * plugin and node. Acknowledge only what is durable: it is never sent again. With 100 events unacknowledged the node's work waits.
   */
  | 'DELIVERY_TIER_AUDIT'
  | 2

/**
 * DeliveryTier says what an acknowledgement means and what the node does until it has one.
 */
export type DeliveryTier__Output = typeof DeliveryTier[keyof typeof DeliveryTier]
