// Original file: proto/boi/hooks/v1/hooks.proto

import type { Long } from '@grpc/proto-loader';

/**
 * DeliverResponse acknowledges events.
 */
export interface DeliverResponse {
  /**
   * All events up to and including this sequence are done. Never lower than in an earlier response, never higher than
   * what was sent; either is an error that ends the stream.
   */
  'acknowledgedSequence'?: (number | string | Long);
}

/**
 * DeliverResponse acknowledges events.
 */
export interface DeliverResponse__Output {
  /**
   * All events up to and including this sequence are done. Never lower than in an earlier response, never higher than
   * what was sent; either is an error that ends the stream.
   */
  'acknowledgedSequence': (string);
}
