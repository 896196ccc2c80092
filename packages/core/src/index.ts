export * from './api.ts';
export * from './clock.ts';
export * from './definition.ts';
export * from './errors.ts';
export * from './ids.ts';
export * from './runner.ts';
