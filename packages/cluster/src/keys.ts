/**
 * The only place that builds or takes apart store keys. Layout: docs/architecture.md, "Keys". All keys are ASCII below one
 * prefix; names are percent-encoded. Ranges are half-open `[start, end)`.
 */
import type { EventId, GroupId, NodeId, ProjectId, ProvisionId, SpecId, TaskId, TokenId, UserId } from '@boi/core';
import { prefixEnd } from '@boi/store';

export interface KeyRange {
  readonly start: string;
  readonly end: string;
}

/** `encodeURIComponent` leaves `!'()*~` alone; they are harmless in a key. `/` and non-ASCII are encoded. */
const enc = encodeURIComponent;

/** Chunk and slot numbers are padded so that key order is number order. */
const pad = (n: number, width: number) => String(n).padStart(width, '0');

const range = (prefix: string): KeyRange => ({ start: prefix, end: prefixEnd(prefix) });

export class Keys {
  readonly prefix: string;

  /** `prefix` ends in `/`. Default `/boi/`. */
  constructor(prefix = '/boi/') {
    this.prefix = prefix;
  }

  all = () => range(this.prefix);

  cluster = () => `${this.prefix}cluster`;
  incarnation = () => `${this.prefix}incarnation`;
  retention = () => `${this.prefix}retention`;

  node = (nod: NodeId) => `${this.prefix}nodes/${nod}`;
  nodes = () => range(`${this.prefix}nodes/`);
  nodeconf = (nod: NodeId) => `${this.prefix}nodeconf/${nod}`;
  nodeconfs = () => range(`${this.prefix}nodeconf/`);
  returning = (nod: NodeId) => `${this.prefix}returning/${nod}`;
  load = (nod: NodeId) => `${this.prefix}load/${nod}`;
  loads = () => range(`${this.prefix}load/`);

  project = (prj: ProjectId) => `${this.prefix}projects/${prj}`;
  projects = () => range(`${this.prefix}projects/`);

  spec = (prj: ProjectId, spc: SpecId) => `${this.prefix}specs/${prj}/${spc}`;
  specs = (prj: ProjectId) => range(`${this.prefix}specs/${prj}/`);
  allSpecs = () => range(`${this.prefix}specs/`);
  specBody = (spc: SpecId, n: number) => `${this.prefix}specbody/${spc}/${pad(n, 6)}`;
  specBodies = (spc: SpecId) => range(`${this.prefix}specbody/${spc}/`);
  allSpecBodies = () => range(`${this.prefix}specbody/`);
  coord = (nod: NodeId, spc: SpecId) => `${this.prefix}coord/${nod}/${spc}`;
  coordsOf = (nod: NodeId) => range(`${this.prefix}coord/${nod}/`);
  allCoords = () => range(`${this.prefix}coord/`);

  blocked = (spc: SpecId, tsk: TaskId) => `${this.prefix}blocked/${spc}/${tsk}`;
  blockedOf = (spc: SpecId) => range(`${this.prefix}blocked/${spc}/`);
  allBlocked = () => range(`${this.prefix}blocked/`);
  queue = (nod: NodeId, tsk: TaskId) => `${this.prefix}queue/${nod}/${tsk}`;
  queueOf = (nod: NodeId) => range(`${this.prefix}queue/${nod}/`);
  unassigned = (tsk: TaskId) => `${this.prefix}queue/unassigned/${tsk}`;
  allUnassigned = () => range(`${this.prefix}queue/unassigned/`);
  allQueues = () => range(`${this.prefix}queue/`);
  result = (spc: SpecId, tsk: TaskId) => `${this.prefix}results/${spc}/${tsk}`;
  resultsOf = (spc: SpecId) => range(`${this.prefix}results/${spc}/`);
  allResults = () => range(`${this.prefix}results/`);
  archive = (prj: ProjectId, spc: SpecId, n: number) => `${this.prefix}archive/${prj}/${spc}/${pad(n, 6)}`;
  archiveOf = (prj: ProjectId, spc: SpecId) => range(`${this.prefix}archive/${prj}/${spc}/`);
  allArchives = () => range(`${this.prefix}archive/`);

  lock = (prj: ProjectId, keyHash: string, slot: number) => `${this.prefix}locks/${prj}/${keyHash}/${pad(slot, 5)}`;
  locksOf = (prj: ProjectId, keyHash: string) => range(`${this.prefix}locks/${prj}/${keyHash}/`);
  allLocks = () => range(`${this.prefix}locks/`);
  name = (prj: ProjectId, kind: string, name: string, id: string) =>
    `${this.prefix}names/${prj}/${kind}/${enc(name)}/${id}`;
  names = (prj: ProjectId, kind: string, name: string) => range(`${this.prefix}names/${prj}/${kind}/${enc(name)}/`);
  allNames = () => range(`${this.prefix}names/`);
  idempotency = (prj: ProjectId, keyHash: string) => `${this.prefix}idempotency/${prj}/${keyHash}`;
  allIdempotency = () => range(`${this.prefix}idempotency/`);
  group = (grp: GroupId) => `${this.prefix}groups/${grp}`;
  /** Swapped by every write of a group. */
  groupsRev = () => `${this.prefix}groups/rev`;
  /** `groups/rev` included. */
  groups = () => range(`${this.prefix}groups/`);
  /** Of a need: the hash of what its tasks require. */
  provision = (hash: string) => `${this.prefix}provision/${hash}`;
  provisions = () => range(`${this.prefix}provision/`);
  provisioned = (prq: ProvisionId) => `${this.prefix}provisioned/${prq}`;
  allProvisioned = () => range(`${this.prefix}provisioned/`);
  hold = (id: string) => `${this.prefix}holds/${id}`;
  holds = () => range(`${this.prefix}holds/`);

  plugin = (nod: NodeId, name: string) => `${this.prefix}plugins/${nod}/${enc(name)}`;
  pluginsOf = (nod: NodeId) => range(`${this.prefix}plugins/${nod}/`);
  hooksMark = (nod: NodeId, plugin: string) => `${this.prefix}hooks-hwm/${nod}/${enc(plugin)}`;
  hooksMarksOf = (nod: NodeId) => range(`${this.prefix}hooks-hwm/${nod}/`);

  ca = () => `${this.prefix}ca/current`;
  admin = (nod: NodeId) => `${this.prefix}ca/admins/${nod}`;
  admins = () => range(`${this.prefix}ca/admins/`);
  member = (nod: NodeId) => `${this.prefix}members/${nod}`;
  members = () => range(`${this.prefix}members/`);
  /** Which member has a key: `fingerprint` is that of the public key. */
  memberKey = (fingerprint: string) => `${this.prefix}memberkeys/${fingerprint}`;
  token = (tok: TokenId) => `${this.prefix}tokens/${tok}`;
  tokens = () => range(`${this.prefix}tokens/`);
  user = (usr: UserId) => `${this.prefix}users/${usr}`;
  users = () => range(`${this.prefix}users/`);
  audit = (evt: EventId) => `${this.prefix}audit/${evt}`;
  audits = () => range(`${this.prefix}audit/`);

  /** The parts of a key after the prefix, or undefined for a key that is not ours. */
  parts(key: string): readonly string[] | undefined {
    return key.startsWith(this.prefix) ? key.slice(this.prefix.length).split('/') : undefined;
  }
}

/** The last part of a key: the id of the thing it is about. */
export function lastPart(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}
