// Original file: proto/boi/pool/v1/pool.proto

import type { OutputChunk as _boi_pool_v1_OutputChunk, OutputChunk__Output as _boi_pool_v1_OutputChunk__Output } from '../../../boi/pool/v1/OutputChunk.ts';
import type { TaskEnd as _boi_pool_v1_TaskEnd, TaskEnd__Output as _boi_pool_v1_TaskEnd__Output } from '../../../boi/pool/v1/TaskEnd.ts';

/**
 * TailResponse is output, or the end.
 */
export interface TailResponse {
  /**
   * Something was written.
   */
  'chunk'?: (_boi_pool_v1_OutputChunk | null);
  /**
   * The task and everything it started have ended, and all of its output was sent. Nothing follows it, but the stream is
   * ended by the node, when it has read and acknowledged everything; a plugin that ends it first fails a slow reader.
   */
  'end'?: (_boi_pool_v1_TaskEnd | null);
  /**
   * Which of them.
   */
  'item'?: "chunk"|"end";
}

/**
 * TailResponse is output, or the end.
 */
export interface TailResponse__Output {
  /**
   * Something was written.
   */
  'chunk'?: (_boi_pool_v1_OutputChunk__Output | null);
  /**
   * The task and everything it started have ended, and all of its output was sent. Nothing follows it, but the stream is
   * ended by the node, when it has read and acknowledged everything; a plugin that ends it first fails a slow reader.
   */
  'end'?: (_boi_pool_v1_TaskEnd__Output | null);
  /**
   * Which of them.
   */
  'item'?: "chunk"|"end";
}
