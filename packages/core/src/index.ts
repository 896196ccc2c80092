export * from './api.ts';
export * from './clock.ts';
export * from './definition.ts';
export * from './errors.ts';
export * from './hrw.ts';
export * from './ids.ts';
export * from './names.ts';
export * from './runner.ts';
