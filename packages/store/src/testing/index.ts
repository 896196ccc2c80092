export { type StoreUnderTest, storeConformance } from './conformance.ts';
export {
  type CallFault,
  type FaultPlan,
  FaultyStore,
  type FaultyStoreOptions,
  type StoreCall,
} from './faulty-store.ts';
export type { WatchFault } from './faulty-watch.ts';
export * from './requests.ts';
export { WatchRecorder } from './watch-recorder.ts';
