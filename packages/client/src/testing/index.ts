export * from './stub-api.ts';
export * from './views.ts';
