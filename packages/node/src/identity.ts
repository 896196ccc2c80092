/** Which node this data directory is: an id minted once and kept, so that a restart is the same node with the same queue. */
import { join } from 'node:path';
import { type Clock, IdMinter, type NodeId, type Random, requireId } from '@boi/core';
import { readJsonFile, writeFileAtomic } from '@boi/system';
import { Type } from 'typebox';

const IdentityFile = Type.Object({ v: Type.Literal(1), id: Type.String() }, { additionalProperties: false });

export async function loadIdentity(dataDir: string, clock: Clock, random: Random): Promise<NodeId> {
  const path = join(dataDir, 'node.json');
  const saved = await readJsonFile(path, IdentityFile);
  if (saved !== undefined) return requireId('node', saved.id, '/id');
  const id = new IdMinter(clock, random).mint('node');
  await writeFileAtomic(path, `${JSON.stringify({ v: 1, id })}\n`, { mode: 0o600 });
  return id;
}
