export { type StoreUnderTest, storeConformance } from './conformance.ts';
export { type EtcdCluster, type EtcdOptions, EtcdServer, startEtcd, startEtcdCluster } from './etcd-server.ts';
export {
  type CallFault,
  type FaultPlan,
  FaultyStore,
  type FaultyStoreOptions,
  type StoreCall,
} from './faulty-store.ts';
export type { WatchFault } from './faulty-watch.ts';
export { freePorts } from './free-port.ts';
export * from './requests.ts';
export { TcpProxy, type TcpProxyOptions } from './tcp-proxy.ts';
export { makeTestCertificates, type TestCertificates } from './test-certificates.ts';
export { WatchRecorder } from './watch-recorder.ts';
