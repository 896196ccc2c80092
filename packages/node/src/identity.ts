/** Which node this data directory is: an id minted once and kept, so that a restart is the same node with the same queue. */
import { join } from 'node:path';
import { type Clock, IdMinter, type NodeId, type Random, requireId } from '@boi/core';
import { readJsonFile, writeFileAtomic } from '@boi/system';
import { Type } from 'typebox';

const IdentityFile = Type.Object({ v: Type.Literal(1), id: Type.String() }, { additionalProperties: false });

const pathIn = (dataDir: string) => join(dataDir, 'node.json');

export async function loadIdentity(dataDir: string, clock: Clock, random: Random): Promise<NodeId> {
  const saved = await savedNodeId(dataDir);
  if (saved !== undefined) return saved;
  const id = new IdMinter(clock, random).mint('node');
  await saveNodeId(dataDir, id);
  return id;
}

/** Undefined for a data directory that is no node's yet. */
export async function savedNodeId(dataDir: string): Promise<NodeId | undefined> {
  const saved = await readJsonFile(pathIn(dataDir), IdentityFile);
  return saved === undefined ? undefined : requireId('node', saved.id, '/id');
}

export async function saveNodeId(dataDir: string, id: NodeId): Promise<void> {
  await writeFileAtomic(pathIn(dataDir), `${JSON.stringify({ v: 1, id })}\n`, { mode: 0o600 });
}
