/** A run told to people: nodes and specs by number instead of by id, and each event of the store as what it means. */
import { codecs, type Keys, lastPart } from '@boi/cluster';
import { decodeChunk } from '@boi/cluster/testing';
import { indexOf, specOf, type TaskId } from '@boi/core';
import type { Revision } from '@boi/store';

/** Numbers ids in the order in which they are first told. */
export class Names {
  readonly #names = new Map<string, string>();

  /** Says how this id is to be called. */
  name(id: string, name: string): void {
    this.#names.set(id, name);
  }

  replace(text: string): string {
    return text.replaceAll(/\b(?:nod|spc|tsk)_[0-7][0-9a-z]{25}/g, (id) => this.#nameOf(id));
  }

  #nameOf(id: string): string {
    if (id.startsWith('tsk_')) return `${this.#nameOf(specOf(id as TaskId))}/${indexOf(id as TaskId)}`;
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    const kind = id.startsWith('spc_') ? 'spec' : 'node';
    const count = [...this.#names.keys()].filter((other) => other.startsWith(id.slice(0, 4))).length;
    const name = `${kind}-${count + 1}`;
    this.#names.set(id, name);
    return name;
  }
}

export function describeEvent(keys: Keys, revision: Revision, key: string, value: Buffer | undefined): string {
  const [kind = '', owner = ''] = keys.parts(key) ?? [];
  const id = lastPart(key);
  return `${String(revision).padStart(5)}  ${value === undefined ? deleted(kind, owner, id) : put(kind, owner, id, key, value)}`;
}

function deleted(kind: string, owner: string, id: string): string {
  if (kind === 'queue') return `${id} leaves the queue of ${owner}`;
  if (kind === 'blocked') return `${id} is not blocked any more`;
  if (kind === 'nodes') return `${id} is gone: its session has ended`;
  if (kind === 'coord') return `${owner} no longer coordinates ${id}`;
  if (kind === 'results') return `the result of ${id} is deleted`;
  return `${kind} ${owner} ${id === owner ? '' : id} deleted`;
}

function put(kind: string, owner: string, id: string, key: string, value: Buffer): string {
  if (kind === 'queue') {
    const { attempt, deliveries, claim, cancel, moves, lockSlot } = codecs.entry.decode(key, value);
    const held = claim === undefined ? 'waits' : `is claimed (${claim.nonce.slice(0, 6)}, session ${claim.epoch})`;
    const why = moves?.at(-1)?.why;
    return `${id} ${held} in the queue of ${owner}: attempt ${attempt}, delivery ${deliveries}${
      lockSlot === undefined ? '' : `, lock slot ${lockSlot}`
    }${cancel === undefined ? '' : `, to be cancelled${cancel.force ? ' by force' : ''}`}${
      why === undefined ? '' : `, last moved: ${why}`
    }`;
  }
  if (kind === 'blocked') return `${id} is blocked, attempt ${codecs.blocked.decode(key, value).attempt ?? 1}`;
  if (kind === 'nodes') return `${id} is live`;
  if (kind === 'nodeconf') return `settings of ${id}: ${value.toString()}`;
  if (kind === 'coord') return `${owner} coordinates ${id}`;
  if (kind === 'results') {
    const { outcome, reason, node, fence, attempt } = codecs.result.decode(key, value);
    const where = node === undefined ? '' : ` on ${node} under fence ${fence}`;
    return `${id} ${outcome}${reason === undefined ? '' : ` (${reason})`} in attempt ${attempt}${where}`;
  }
  if (kind === 'specs') {
    const { state, cursor, tasks, counts, coordinator, cancel, failing, archived, retried } = codecs.spec.decode(
      key,
      value,
    );
    const ended = Object.entries(counts).flatMap(([outcome, count]) => (count > 0 ? [`${count} ${outcome}`] : []));
    return `${id} is ${archived === undefined ? state : 'archived'}: ${cursor} of ${tasks} dispatched${
      ended.length === 0 ? '' : `, ${ended.join(', ')}`
    }${coordinator === undefined ? '' : `, coordinator ${coordinator}`}${failing ? ', failing' : ''}${
      cancel === undefined ? '' : `, cancelled (${cancel.level})`
    }${retried === undefined ? '' : `, retried ${retried.task}`}`;
  }
  if (kind === 'locks') return `lock ${owner} slot ${id} is held by ${codecs.lock.decode(key, value).task}`;
  if (kind === 'specbody') {
    const { first, tasks } = decodeChunk(key, value).chunk;
    const lines = tasks.map(({ run, needs = [], when = 'success', exclusive }, i) => {
      const more = `${needs.length === 0 ? '' : ` needs ${needs.join(' ')}, when ${when}`}${exclusive ? ', exclusive' : ''}`;
      return `${first + i} ${String(run)}${more}`;
    });
    return `body of ${owner}: ${lines.join('; ')}`;
  }
  if (kind === 'archive') return `${kind} of ${owner}, part ${id}, ${value.length} bytes`;
  return `${kind} ${owner} ${id === owner ? '' : id} ${value.toString().slice(0, 200)}`;
}
