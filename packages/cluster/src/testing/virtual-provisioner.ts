/**
 * A provisioner that makes no nodes: it remembers what it was asked, and what becomes of a request is what the test says. Told
 * the same id again it begins nothing, as the contract has it. One is shared by all nodes of a test, as a cloud would be.
 */
import type { NodeId, ProvisionId, TokenId } from '@boi/core';
import type { JoinTokens, NodeWanted, ProvisionerPort } from '../provision/ports.ts';

export type Ask = (wanted: NodeWanted, call: number) => Promise<'begun' | 'refused'> | 'begun' | 'refused';

export class VirtualProvisioner implements ProvisionerPort {
  /** Every call, repeated ones too. */
  readonly calls: NodeWanted[] = [];
  readonly removals: ProvisionId[] = [];
  /** What is begun and not removed. */
  readonly live = new Map<ProvisionId, NodeWanted>();
  ask: Ask;
  remove: (id: ProvisionId) => Promise<void> | void = () => {};

  constructor(ask: Ask = () => 'begun') {
    this.ask = ask;
  }

  get ids(): readonly ProvisionId[] {
    return [...new Set(this.calls.map(({ id }) => id))];
  }

  async provision(wanted: NodeWanted): Promise<'begun' | 'refused'> {
    this.calls.push(wanted);
    const answer = await this.ask(wanted, this.calls.length);
    if (answer === 'begun') this.live.set(wanted.id, wanted);
    return answer;
  }

  async deprovision(id: ProvisionId): Promise<void> {
    await this.remove(id);
    this.removals.push(id);
    this.live.delete(id);
  }
}

/** Tokens of a cluster whose admins are `admins`: `used` is what the test says nodes joined with. */
export class VirtualTokens implements JoinTokens {
  readonly #admins: ReadonlySet<NodeId>;
  readonly #made: TokenId[];
  readonly revoked: TokenId[] = [];
  readonly expelled: NodeId[] = [];
  readonly used = new Map<NodeId, TokenId>();

  /** `made`: the ids to hand out, in order. */
  constructor(admins: Iterable<NodeId>, made: readonly TokenId[]) {
    this.#admins = new Set(admins);
    this.#made = [...made];
  }

  mayMint(node: NodeId): boolean {
    return this.#admins.has(node);
  }

  async mint(): Promise<{ readonly id: TokenId; readonly token: string }> {
    const id = this.#made.shift();
    if (id === undefined) throw new Error('no more tokens');
    return { id, token: `secret of ${id}` };
  }

  async revoke(id: TokenId): Promise<void> {
    this.revoked.push(id);
  }

  async usedBy(node: NodeId): Promise<TokenId | undefined> {
    return this.used.get(node);
  }

  async expel(node: NodeId): Promise<void> {
    this.expelled.push(node);
  }
}
