/**
 * The simulator as one file, with a mutation in the cluster's code: the sources are bundled and the edits made while they
 * are read; nothing of it is in the product. Used by mutants.test.ts.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import type { Edit } from './mutants.ts';

const HERE = dirname(fileURLToPath(import.meta.url));
const CLUSTER = join(HERE, '../../cluster/src');
/** It resolves its packages from here, and is not part of the repository. */
const OUT = join(HERE, '../dist/mutants');

/** Answers the path of the bundle. Throws when an edit does not fit its file exactly once. */
export async function bundleMutant(name: string, edits: readonly Edit[]): Promise<string> {
  const outfile = join(OUT, `${name.replaceAll(/[^a-z]+/gi, '-')}.mjs`);
  const left = new Set(edits);
  await build({
    entryPoints: [join(HERE, 'main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['@boi/source'],
    external: ['etcd3', '@grpc/grpc-js'],
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
    plugins: [mutation(edits, left)],
    logLevel: 'silent',
  });
  for (const { file } of left) throw new Error(`${name}: ${file} is not part of the simulation`);
  return outfile;
}

function mutation(edits: readonly Edit[], left: Set<Edit>): Plugin {
  const files = [...new Set(edits.map(({ file }) => file))];
  return {
    name: 'mutation',
    setup({ onLoad }) {
      onLoad({ filter: /[\\/]cluster[\\/]src[\\/].+\.ts$/ }, async ({ path }) => {
        const file = relative(CLUSTER, path).replaceAll(sep, '/');
        if (!files.includes(file)) return undefined;
        let contents = await readFile(path, 'utf8');
        for (const edit of edits.filter((each) => each.file === file)) {
          const [before, after, ...more] = contents.split(edit.from);
          if (before === undefined || after === undefined || more.length > 0) {
            throw new Error(`${file} should have exactly once: ${edit.from}`);
          }
          contents = before + edit.to + after;
          left.delete(edit);
        }
        return { contents, loader: 'ts' };
      });
    },
  };
}
