// Original file: proto/boi/hooks/v1/hooks.proto

import type { EventKind as _boi_hooks_v1_EventKind, EventKind__Output as _boi_hooks_v1_EventKind__Output } from '../../../boi/hooks/v1/EventKind.ts';
import type { EventOutcome as _boi_hooks_v1_EventOutcome, EventOutcome__Output as _boi_hooks_v1_EventOutcome__Output } from '../../../boi/hooks/v1/EventOutcome.ts';
import type { EventPayload as _boi_hooks_v1_EventPayload, EventPayload__Output as _boi_hooks_v1_EventPayload__Output } from '../../../boi/hooks/v1/EventPayload.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * Event is something that happened. It holds ids, numbers and short stable words, never names, output or secrets.
 */
export interface Event {
  /**
   * Position in what this node delivers to this plugin, from 1.
   */
  'sequence'?: (number | string | Long);
  /**
   * Id of the event (`evt_…`): the same for all plugins that are told, and in every repeated delivery.
   */
  'id'?: (string);
  /**
   * What happened.
   */
  'kind'?: (_boi_hooks_v1_EventKind);
  /**
   * Wall clock of the emitting node, milliseconds since the Unix epoch.
   */
  'atMs'?: (number | string | Long);
  /**
   * Id of the node that tells of it.
   */
  'emitterNodeId'?: (string);
  /**
   * Id of the project; empty for what belongs to none.
   */
  'projectId'?: (string);
  /**
   * Correlates what one request brought about; empty if there was none.
   */
  'correlationId'?: (string);
  /**
   * Whether it is known to have happened.
   */
  'outcome'?: (_boi_hooks_v1_EventOutcome);
  /**
   * The particulars; which fields are set depends on the kind.
   */
  'payload'?: (_boi_hooks_v1_EventPayload | null);
}

/**
 * Event is something that happened. It holds ids, numbers and short stable words, never names, output or secrets.
 */
export interface Event__Output {
  /**
   * Position in what this node delivers to this plugin, from 1.
   */
  'sequence': (string);
  /**
   * Id of the event (`evt_…`): the same for all plugins that are told, and in every repeated delivery.
   */
  'id': (string);
  /**
   * What happened.
   */
  'kind': (_boi_hooks_v1_EventKind__Output);
  /**
   * Wall clock of the emitting node, milliseconds since the Unix epoch.
   */
  'atMs': (string);
  /**
   * Id of the node that tells of it.
   */
  'emitterNodeId': (string);
  /**
   * Id of the project; empty for what belongs to none.
   */
  'projectId': (string);
  /**
   * Correlates what one request brought about; empty if there was none.
   */
  'correlationId': (string);
  /**
   * Whether it is known to have happened.
   */
  'outcome': (_boi_hooks_v1_EventOutcome__Output);
  /**
   * The particulars; which fields are set depends on the kind.
   */
  'payload': (_boi_hooks_v1_EventPayload__Output | null);
}
