/** What a node was told of its cluster when it joined (or founded it): which one, and where its store is. Not a secret. */
import { join } from 'node:path';
import { readJsonFile, writeFileAtomic } from '@boi/system';
import { type Static, Type } from 'typebox';

/** Of every key, when nothing says otherwise. */
export const PREFIX_DEFAULT = '/boi/';

const ClusterFile = Type.Object(
  {
    v: Type.Literal(1),
    /** Cluster id. */
    cluster: Type.String({ pattern: '^[0-9a-f]{32}$' }),
    /** Endpoints of the store. */
    etcd: Type.Array(Type.String(), { minItems: 1, maxItems: 64 }),
    /** Of every key of the cluster in the store. */
    prefix: Type.String({ pattern: '^/.*/$' }),
  },
  { additionalProperties: false },
);
export type ClusterFile = Static<typeof ClusterFile>;

const pathIn = (dataDir: string) => join(dataDir, 'identity', 'cluster.json');

export function readClusterFile(dataDir: string): Promise<ClusterFile | undefined> {
  return readJsonFile(pathIn(dataDir), ClusterFile);
}

/** The directory `identity` must be there. */
export function writeClusterFile(dataDir: string, file: ClusterFile): Promise<void> {
  return writeFileAtomic(pathIn(dataDir), `${JSON.stringify(file)}\n`);
}
