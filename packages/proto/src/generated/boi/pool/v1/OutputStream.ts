// Original file: proto/boi/pool/v1/pool.proto

/**
 * OutputStream names where a task wrote.
 */
export const OutputStream = {
  /**
   * Not set; refused, as are values that are not told here.
   */
  OUTPUT_STREAM_UNSPECIFIED: 'OUTPUT_STREAM_UNSPECIFIED',
  /**
   * Standard output.
   */
  OUTPUT_STREAM_STDOUT: 'OUTPUT_STREAM_STDOUT',
  /**
   * Standard error.
   */
  OUTPUT_STREAM_STDERR: 'OUTPUT_STREAM_STDERR',
} as const;

/**
 * OutputStream names where a task wrote.
 */
export type OutputStream =
  /**
   * Not set; refused, as are values that are not told here.
   */
  | 'OUTPUT_STREAM_UNSPECIFIED'
  | 0
  /**
   * Standard output.
   */
  | 'OUTPUT_STREAM_STDOUT'
  | 1
  /**
   * Standard error.
   */
  | 'OUTPUT_STREAM_STDERR'
  | 2

/**
 * OutputStream names where a task wrote.
 */
export type OutputStream__Output = typeof OutputStream[keyof typeof OutputStream]
