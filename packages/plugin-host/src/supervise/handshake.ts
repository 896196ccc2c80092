/** The first call: who is there, does it speak this contract, what does it want. */
import { EVENT_KINDS, type EventKind } from '@boi/core';
import { CONTRACT_MAJOR, CONTRACT_MINORS, fromWireKind } from '@boi/proto';
import type { PluginChannel } from '../channel.ts';
import { Answer } from '../clients/answer.ts';
import type { HostDeps } from '../config.ts';
import { PluginError } from '../errors.ts';

/** What a plugin said of itself. */
export interface PluginIntroduction {
  readonly name: string;
  readonly version: string;
  readonly minor: number;
  readonly capabilities: readonly string[];
  /** Hooks only. */
  readonly hooks?: { readonly tier: 'audit' | 'best_effort'; readonly kinds: readonly EventKind[] };
}

interface WireIntroduction {
  readonly major: number;
  readonly minor: number;
  readonly name: string;
  readonly version: string;
  readonly capabilities: readonly string[];
  readonly tier?: string;
  readonly kinds?: readonly (string | number)[];
}

export async function shakeHands(
  channel: PluginChannel,
  deps: Pick<HostDeps, 'nodeId' | 'hostVersion'>,
  timeoutMs: number,
  /** Hooks: what the configuration asks for. */
  tierWanted: 'audit' | 'best_effort' = 'best_effort',
): Promise<PluginIntroduction> {
  const request = {
    minor: CONTRACT_MINORS[channel.kind],
    hostVersion: deps.hostVersion,
    nodeId: deps.nodeId,
    pluginId: channel.plugin,
  };
  const wire = await channel.call<typeof request, WireIntroduction>('Handshake', request, { timeoutMs });
  if (wire.major !== CONTRACT_MAJOR)
    throw new PluginError(
      channel.plugin,
      'wrong-contract',
      `it speaks major ${wire.major}, the node ${CONTRACT_MAJOR}`,
    );
  const answer = new Answer(channel.plugin, 'Handshake');
  answer.matches('name', wire.name, /^[a-z0-9-]{1,64}$/, '1 to 64 characters of a-z, 0-9, "-"');
  answer.matches('version', wire.version, /^[\x20-\x7e]{0,64}$/, 'at most 64 printable characters');
  answer.holds(wire.capabilities.length <= 64, 'capabilities', 'at most 64');
  for (const capability of wire.capabilities)
    answer.matches('capabilities', capability, /^[a-z0-9_-]{1,64}$/, 'words of a-z, 0-9, "-", "_"');
  if (channel.kind === 'hooks')
    answer.holds(
      wire.tier === 'DELIVERY_TIER_AUDIT' || wire.tier === 'DELIVERY_TIER_BEST_EFFORT',
      'tier',
      'DELIVERY_TIER_BEST_EFFORT or DELIVERY_TIER_AUDIT',
    );
  answer.done();
  const { name, version, minor, capabilities } = wire;
  if (channel.kind !== 'hooks') return { name, version, minor, capabilities };
  // Kinds of a later version cannot be sent; they are no reason to refuse the plugin.
  const known = (wire.kinds ?? []).flatMap((kind) => fromWireKind(kind) ?? []);
  const tier = wire.tier === 'DELIVERY_TIER_AUDIT' ? 'audit' : 'best_effort';
  if (tierWanted === 'audit' && tier !== 'audit')
    throw new PluginError(
      channel.plugin,
      'wrong-contract',
      'it is made for best effort, the configuration asks for audit',
    );
  const kinds = wire.kinds?.length === 0 ? EVENT_KINDS : known;
  return { name, version, minor, capabilities, hooks: { tier, kinds } };
}
