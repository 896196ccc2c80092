export { type AuditItem, type AuditRecord, type FollowAuditOptions, followAudit } from './audit-stream.ts';
export * from './client.ts';
export type { Endpoint } from './endpoint.ts';
export { isLoopback, parseEndpoint } from './endpoint.ts';
export type { LinkEvent } from './link.ts';
export * from './log-stream.ts';
export type { CallRoute, RouteRequest, StreamRoute } from './routes.ts';
export * from './spec-events.ts';
export { type Credentials, fetchPinnedCa, type PinOptions } from './tls.ts';
