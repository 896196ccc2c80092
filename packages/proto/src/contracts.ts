/**
 * The five plugin contracts and the standard health service, loaded from the descriptors that `scripts/generate.mjs` made
 * of the `.proto` files: for clients (`packages/plugin-host`) and servers (`packages/plugin-sdk`) alike. 64-bit integers are
 * decimal strings, enum values their names, absent scalars their defaults, absent `optional` fields absent.
 */
import { makeClientConstructor, type ServiceClientConstructor, type ServiceDefinition } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { DESCRIPTORS } from './generated/descriptors.ts';

/** What a plugin can be. */
export const PLUGIN_KINDS = ['hooks', 'provisioner', 'pool', 'workspace', 'router'] as const;
export type PluginKind = (typeof PLUGIN_KINDS)[number];

/** Major version of all contracts: in their package names. */
export const CONTRACT_MAJOR = 1;
/** Minor version that this version of boi-node speaks, of each contract. */
export const CONTRACT_MINORS: Readonly<Record<PluginKind, number>> = {
  hooks: 0,
  provisioner: 0,
  pool: 0,
  workspace: 0,
  router: 0,
};

/** Full name of the service of each kind. */
export const SERVICE_NAMES = {
  hooks: 'boi.hooks.v1.HooksService',
  provisioner: 'boi.provisioner.v1.ProvisionerService',
  pool: 'boi.pool.v1.PoolService',
  workspace: 'boi.workspace.v1.WorkspaceService',
  router: 'boi.router.v1.RouterService',
} as const satisfies Readonly<Record<PluginKind, string>>;
export const HEALTH_SERVICE_NAME = 'grpc.health.v1.Health';
type ServiceName = (typeof SERVICE_NAMES)[PluginKind] | typeof HEALTH_SERVICE_NAME;

const constructors = new Map<ServiceName, ServiceClientConstructor>();

/** The client class of a service, its definition as `service`; made at the first call. */
export function serviceConstructor(name: ServiceName): ServiceClientConstructor {
  const known = constructors.get(name);
  if (known !== undefined) return known;
  const descriptors = DESCRIPTORS as Parameters<typeof fromJSON>[0];
  const definitions = fromJSON(descriptors, { longs: String, enums: String, defaults: true, oneofs: true });
  for (const service of [...Object.values(SERVICE_NAMES), HEALTH_SERVICE_NAME] as const)
    constructors.set(service, makeClientConstructor(definitions[service] as ServiceDefinition, service));
  return serviceConstructor(name);
}

/** The definition of a service, for a server. */
export function serviceDefinition(name: ServiceName): ServiceDefinition {
  return serviceConstructor(name).service;
}
