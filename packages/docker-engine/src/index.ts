export * from './engine.ts';
export * from './flags.ts';
export * from './turns.ts';
