export { isLeaseNotFound } from './errors.ts';
export type { TlsCredentials } from './etcd/connections.ts';
export { EtcdStore, type EtcdStoreOptions } from './etcd/store.ts';
export { CountingStore, type RequestSeen, type StoreCounts, type StoreObserver } from './instrument.ts';
export { MemoryServer, type MemoryServerOptions } from './memory/server.ts';
export { type ConnectOptions, MemoryStore, type MemoryStoreOptions } from './memory/store.ts';
export * from './port.ts';
