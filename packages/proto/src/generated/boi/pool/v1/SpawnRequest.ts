// Original file: proto/boi/pool/v1/pool.proto

import type { Long } from '@grpc/proto-loader';

/**
 * SpawnRequest is a task to start.
 */
export interface SpawnRequest {
  /**
   * Id of the task (`tsk_…`).
   */
  'taskId'?: (string);
  /**
   * Fence of the claim; greater than 0.
   */
  'fence'?: (number | string | Long);
  /**
   * Attempt, from 1.
   */
  'attempt'?: (number);
  /**
   * Delivery of the attempt, from 1.
   */
  'delivery'?: (number);
  /**
   * Program and arguments; at least one. A task with a shell command arrives as `/bin/sh -c …`.
   */
  'argv'?: (string)[];
  /**
   * The whole environment; nothing of the plugin's own may be added but what its way of running needs.
   */
  'env'?: ({[key: string]: string});
  /**
   * Directory to run in, as the host sees it; empty: the plugin's choice.
   */
  'workdir'?: (string);
  /**
   * How many slots the task takes; a measure of its share of what the plugin has.
   */
  'slots'?: (number);
  /**
   * What the task requires, as far as a plugin may care: image, devices.
   */
  'options'?: ({[key: string]: string});
}

/**
 * SpawnRequest is a task to start.
 */
export interface SpawnRequest__Output {
  /**
   * Id of the task (`tsk_…`).
   */
  'taskId': (string);
  /**
   * Fence of the claim; greater than 0.
   */
  'fence': (string);
  /**
   * Attempt, from 1.
   */
  'attempt': (number);
  /**
   * Delivery of the attempt, from 1.
   */
  'delivery': (number);
  /**
   * Program and arguments; at least one. A task with a shell command arrives as `/bin/sh -c …`.
   */
  'argv': (string)[];
  /**
   * The whole environment; nothing of the plugin's own may be added but what its way of running needs.
   */
  'env': ({[key: string]: string});
  /**
   * Directory to run in, as the host sees it; empty: the plugin's choice.
   */
  'workdir': (string);
  /**
   * How many slots the task takes; a measure of its share of what the plugin has.
   */
  'slots': (number);
  /**
   * What the task requires, as far as a plugin may care: image, devices.
   */
  'options': ({[key: string]: string});
}
