export * from './contracts.ts';
export type * as hooks from './generated/hooks.ts';
export type * as pool from './generated/pool.ts';
export type * as provisioner from './generated/provisioner.ts';
export type * as router from './generated/router.ts';
export type * as workspace from './generated/workspace.ts';
export * from './hook-event.ts';
export * from './metadata.ts';
