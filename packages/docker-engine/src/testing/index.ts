export { end, FakeEngine } from './fake-engine.ts';
