export type { BoiEvent, EventKind, EventPayload } from '@boi/core';
export type { hooks, pool, provisioner, router, SequencedEvent, workspace } from '@boi/proto';
export { type Call, Refusal, type RefusalKind } from './call.ts';
export { type HooksPlugin, serveHooks } from './hooks.ts';
export * from './kinds.ts';
export { type Offers, parseOffers, requireOffered } from './offers.ts';
export { type PoolPlugin, type RunKey, servePool } from './pool.ts';
export type { Introduction, PluginInfo } from './serve.ts';
