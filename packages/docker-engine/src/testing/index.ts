export { FakeEngine } from './fake-engine.ts';
