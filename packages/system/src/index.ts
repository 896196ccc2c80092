export * from './clock.ts';
export * from './data-dir-lock.ts';
export * from './descriptors.ts';
export * from './durable-file.ts';
export * from './host-facts.ts';
export * from './logger.ts';
export * from './process-identity.ts';
export * from './random.ts';
