export { type StoreUnderTest, storeConformance } from './conformance.ts';
export * from './requests.ts';
export { WatchRecorder } from './watch-recorder.ts';
