// Original file: proto/boi/pool/v1/pool.proto

import type { Long } from '@grpc/proto-loader';

/**
 * TaskEnd tells how a task ended.
 */
export interface TaskEnd {
  /**
   * It exited with this code, 0 to 255.
   */
  'exitCode'?: (number);
  /**
   * A signal ended it: its name, e.g. `SIGKILL`.
   */
  'signal'?: (string);
  /**
   * It could not be started; for a person, who is shown at most 2 KiB.
   */
  'startFailure'?: (string);
  /**
   * It is not known how it ended (the plugin or the host went down meanwhile); for a person, at most 2 KiB.
   */
  'lost'?: (string);
  /**
   * Offset after the last byte of output.
   */
  'endOffset'?: (number | string | Long);
  /**
   * When it was started, milliseconds since the Unix epoch; 0 if it never was.
   */
  'startedAtMs'?: (number | string | Long);
  /**
   * When it ended, milliseconds since the Unix epoch.
   */
  'endedAtMs'?: (number | string | Long);
  /**
   * How.
   */
  'how'?: "exitCode"|"signal"|"startFailure"|"lost";
}

/**
 * TaskEnd tells how a task ended.
 */
export interface TaskEnd__Output {
  /**
   * It exited with this code, 0 to 255.
   */
  'exitCode'?: (number);
  /**
   * A signal ended it: its name, e.g. `SIGKILL`.
   */
  'signal'?: (string);
  /**
   * It could not be started; for a person, who is shown at most 2 KiB.
   */
  'startFailure'?: (string);
  /**
   * It is not known how it ended (the plugin or the host went down meanwhile); for a person, at most 2 KiB.
   */
  'lost'?: (string);
  /**
   * Offset after the last byte of output.
   */
  'endOffset': (string);
  /**
   * When it was started, milliseconds since the Unix epoch; 0 if it never was.
   */
  'startedAtMs': (string);
  /**
   * When it ended, milliseconds since the Unix epoch.
   */
  'endedAtMs': (string);
  /**
   * How.
   */
  'how'?: "exitCode"|"signal"|"startFailure"|"lost";
}
