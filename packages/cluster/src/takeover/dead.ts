/**
 * What every transaction compares that takes from a dead node: it has no record, and no next life of it is about to put one. That
 * one ends its earlier life's session under a mark (membership/register.ts), which goes with its own lease if it comes to nothing.
 */
import type { NodeId } from '@boi/core';
import { absent, type Compare } from '@boi/store';
import type { Keys } from '../keys.ts';

export function isDead(keys: Keys, node: NodeId): readonly Compare[] {
  return [absent(keys.node(node)), absent(keys.returning(node))];
}
