/**
 * Whether a node can run a task, and if none can, why: counts per constraint. The one matching function of the system —
 * placement, stealing and the demand of pools all use it, so that nothing is counted that would not be claimed.
 * Pure functions of a snapshot.
 */
import type { Requirement } from './definition.ts';
import { parseQuantity } from './spec/requirements.ts';

/** What a node advertises (`os`, `arch`, `cpus`, `memory` in bytes) and its labels, overrides applied. */
export type NodeCapabilities = Readonly<Record<string, string | number | boolean>>;

/** Why a node that would match takes nothing now. */
export const EXCLUSIONS = ['not in target', 'cordoned', 'draining', 'degraded', 'cooling'] as const;
export type Exclusion = (typeof EXCLUSIONS)[number];

export interface ExplainedNode {
  readonly capabilities: NodeCapabilities;
  readonly excluded?: Exclusion | undefined;
}

export interface Explanation {
  readonly nodes: number;
  /** Nodes that could take it. */
  readonly eligible: number;
  /** Each other node once, at the first thing that rules it out; most frequent first. */
  readonly constraints: readonly { readonly constraint: string; readonly nodes: number }[];
  /** `3 nodes: 2 lack gpu, 1 cordoned`. */
  readonly summary: string;
}

/** The first requirement the capabilities do not meet, in the task's order; undefined if they meet all. */
export function mismatch(
  requirements: readonly Requirement[] | undefined,
  capabilities: NodeCapabilities,
): Requirement | undefined {
  return requirements?.find((requirement) => !meets(requirement, capabilities));
}

function meets(requirement: Requirement, capabilities: NodeCapabilities): boolean {
  const value = Object.hasOwn(capabilities, requirement.key) ? capabilities[requirement.key] : undefined;
  switch (requirement.op) {
    case 'exists':
      return (value !== undefined) === requirement.value;
    case 'eq':
      return value !== undefined && String(value) === requirement.value;
    case 'in':
      return value !== undefined && requirement.values.includes(String(value));
    default: {
      // Labels are strings: `--label disk=100` compares like a number, as does 100GiB.
      const number = typeof value === 'string' ? parseQuantity(value) : value;
      if (typeof number !== 'number' || Number.isNaN(number)) return false;
      return requirement.op === '>=' ? number >= requirement.value : number <= requirement.value;
    }
  }
}

/** A requirement in few words: `gpu exists`, `os = linux`, `cpus >= 4`, `zone in a, b`. */
export function describeRequirement(requirement: Requirement): string {
  switch (requirement.op) {
    case 'exists':
      return `${requirement.key} ${requirement.value ? 'exists' : 'absent'}`;
    case 'eq':
      return `${requirement.key} = ${requirement.value}`;
    case 'in':
      return `${requirement.key} in ${requirement.values.join(', ')}`;
    default:
      return `${requirement.key} ${requirement.op} ${requirement.value}`;
  }
}

/**
 * Counts what rules out how many nodes. A node outside of the target counts as that; else what it lacks comes before the
 * state it is in, since uncordoning a node without a GPU would not help.
 */
export function explain(
  requirements: readonly Requirement[] | undefined,
  nodes: readonly ExplainedNode[],
): Explanation {
  const counts = new Map<string, { nodes: number; verb: string }>();
  let eligible = 0;
  for (const { capabilities, excluded } of nodes) {
    const lacking = excluded === 'not in target' ? undefined : mismatch(requirements, capabilities);
    if (lacking === undefined && excluded === undefined) {
      eligible++;
      continue;
    }
    const constraint = lacking === undefined ? (excluded as string) : describeRequirement(lacking);
    const known = counts.get(constraint);
    if (known === undefined)
      counts.set(constraint, { nodes: 1, verb: lacking === undefined ? '' : shortfall(lacking) });
    else known.nodes++;
  }
  const sorted = [...counts].sort(([a, x], [b, y]) => y.nodes - x.nodes || (a < b ? -1 : 1));
  const parts = sorted.map(
    ([constraint, { nodes: count, verb }]) => `${count} ${verb === '' ? constraint : conjugate(verb, count)}`,
  );
  if (eligible > 0) parts.push(`${eligible} could take it`);
  return {
    nodes: nodes.length,
    eligible,
    constraints: sorted.map(([constraint, { nodes: count }]) => ({ constraint, nodes: count })),
    summary:
      nodes.length === 0 ? 'no nodes' : `${nodes.length} node${nodes.length === 1 ? '' : 's'}: ${parts.join(', ')}`,
  };
}

/** Capabilities that a node has by its plugins, in words. */
function pluginWords(key: string): string | undefined {
  const [, kind, name] = /^(workspace|pool)(?:\/(.+))?$/.exec(key) ?? [];
  if (kind === undefined) return undefined;
  return name === undefined ? `a ${kind} plugin` : `the ${kind} plugin ${name}`;
}

function shortfall(requirement: Requirement): string {
  if (requirement.op !== 'exists') return `lack ${describeRequirement(requirement)}`;
  const words = pluginWords(requirement.key) ?? requirement.key;
  return requirement.value ? `lack ${words}` : `have ${words}`;
}

function conjugate(verb: string, count: number): string {
  return count === 1 ? verb.replace(/^lack/, 'lacks').replace(/^have/, 'has') : verb;
}
