export { Guard, type GuardOptions, type SessionDeadline } from './guard/guard.ts';
export type { LogStream } from './logs/log-index.ts';
export type { LogPlace } from './logs/log-place.ts';
export { type LogChunk, type LogSegment, type LogState, LogStore, type LogStoreOptions } from './logs/log-store.ts';
export * from './logs/retention.ts';
export { ProcessRunner, type ProcessRunnerOptions } from './process-runner.ts';
export { ResultBuffer, type ResultBufferOptions, type ResultRecord } from './result-buffer.ts';
export { ENV_ALLOWED } from './steps/environment.ts';
export { OUTPUT_BYTES_MAX } from './steps/outputs.ts';
