export * from './channel.ts';
export * from './clients/pool-client.ts';
export * from './clients/provisioner-client.ts';
export * from './clients/router-client.ts';
export * from './clients/workspace-client.ts';
export * from './config.ts';
export {
  type CheckResult,
  type ConformanceOptions,
  runConformance,
} from './conformance/kit.ts';
export * from './errors.ts';
export { AuditTrail, UNACKNOWLEDGED_MAX } from './hooks/audit-trail.ts';
export { BestEffortQueue } from './hooks/best-effort-queue.ts';
export { Deliverer } from './hooks/deliverer.ts';
export * from './hooks/hub.ts';
export * from './hooks/ports.ts';
export { killOrphans } from './process/orphans.ts';
export { type CrashLog, type CrashRecord, MemoryCrashLog, type StoredCrashRecord } from './supervise/crash-log.ts';
export type { PluginIntroduction } from './supervise/handshake.ts';
export * from './supervise/supervisor.ts';
