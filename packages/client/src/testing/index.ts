export * from './stub-api.ts';
export * from './test-ca.ts';
export * from './views.ts';
