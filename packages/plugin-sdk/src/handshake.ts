/** The part of the handshake that all kinds share. */
import { CONTRACT_MAJOR, CONTRACT_MINORS, type PluginKind } from '@boi/proto';
import { unary } from './call.ts';
import type { Introduction, PluginInfo } from './serve.ts';

export function handshake(kind: PluginKind, info: PluginInfo, more: Readonly<Record<string, unknown>> = {}) {
  return unary(({ nodeId, pluginId }: Introduction) => {
    info.introduced?.({ nodeId, pluginId });
    return {
      major: CONTRACT_MAJOR,
      minor: CONTRACT_MINORS[kind],
      name: info.name,
      version: info.version,
      capabilities: [...(info.capabilities ?? [])],
      ...more,
    };
  });
}
