/**
 * Which versions of boi-node work side by side: the same major version and minor versions at most one apart, so that a
 * cluster is upgraded node by node. What the records look like is another question, answered by their schema version.
 *
 * A node that is too far from a live one refuses to join (`version-skew`); one that is live and sees such a node join, which
 * only an older or differently built one would do, says so and counts it. A version of another form is not compared.
 */
import { BoiError, type NodeId } from '@boi/core';
import type { ClusterContext } from '../context.ts';
import type { MembershipSnapshot } from './membership-types.ts';

/** Live nodes of a version that must not work beside this one. */
export function tooFar(
  version: string,
  { members }: Pick<MembershipSnapshot, 'members'>,
): { id: NodeId; version: string }[] {
  return [...members.values()]
    .map(({ id, record }) => ({ id, version: record.version }))
    .filter((other) => !worksBeside(version, other.version));
}

function worksBeside(one: string, other: string): boolean {
  const a = parse(one);
  const b = parse(other);
  if (a === undefined || b === undefined) return true;
  return a.major === b.major && Math.abs(a.minor - b.minor) <= 1;
}

/** Throws `version-skew` when it must not join. A record of its own is of an earlier life. */
export function checkVersion(
  { id, version }: { readonly id: NodeId; readonly version: string },
  snapshot: Pick<MembershipSnapshot, 'members'>,
): void {
  const others = tooFar(version, snapshot).filter((other) => other.id !== id);
  const [first] = others;
  if (first === undefined) return;
  throw new BoiError(
    'version-skew',
    `this is boi-node ${version} and ${first.id} runs ${first.version}: at most one minor version may lie between nodes of a cluster; upgrade one minor version at a time`,
    { details: { version, others: others.slice(0, 10) } },
  );
}

/** Counts nodes of other versions at each change of the membership, and says when one joins that must not work beside this. */
export class SkewWatch {
  readonly #ctx: Pick<ClusterContext, 'log' | 'metrics'>;
  readonly #version: string;
  #violations = 0;

  constructor(ctx: Pick<ClusterContext, 'log' | 'metrics'>, version: string) {
    this.#ctx = ctx;
    this.#version = version;
  }

  look({ members }: Pick<MembershipSnapshot, 'members'>): void {
    const version = this.#version;
    const { metrics, log } = this.#ctx;
    const others = [...members.values()].filter(({ record }) => record.version !== version);
    metrics.gauge('boi_core_version_skew', others.length);
    const violations = tooFar(version, { members });
    metrics.gauge('boi_core_version_skew_violations', violations.length);
    if (violations.length > this.#violations) {
      log.error(
        { version, violations },
        'nodes of versions too far apart work in this cluster; upgrade the older ones',
      );
    }
    this.#violations = violations.length;
  }
}

function parse(version: string): { major: number; minor: number } | undefined {
  const match = /^(\d{1,9})\.(\d{1,9})\.\d/.exec(version);
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2]) };
}
