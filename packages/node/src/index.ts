export { runConformance } from '@boi/plugin-host';
export * from './config.ts';
export * from './daemon.ts';
export * from './dev.ts';
export * from './identity/init-cluster.ts';
export * from './join.ts';
export { installPlugin, removePlugin } from './plugins/install.ts';
export { sweepDataDir } from './sweep-logs.ts';
export { VERSION } from './version.ts';
