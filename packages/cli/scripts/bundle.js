/**
 * Bundles the command into `dist/bundle` (or the directory given as argument): the last step of the build. Each command and
 * each rarely needed library stays a chunk of its own, loaded when it is used. The daemon (`@boi/node`, for `join` and
 * `dev`), the logger and the making of keys stay outside: they come from their packages, whole.
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

export function bundle(outdir) {
  return build({
    entryPoints: [join(root, 'src/main.ts')],
    outdir,
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    conditions: ['@boi/source'],
    chunkNames: 'chunks/[name]-[hash]',
    minifySyntax: true,
    minifyWhitespace: true,
    keepNames: true,
    legalComments: 'none',
    logLevel: 'warning',
    // Some of yargs's dependencies are CommonJS and call `require` for built-in modules.
    banner: { js: "import{createRequire as _r}from'node:module';const require=_r(import.meta.url);" },
    plugins: [
      {
        name: 'boi-packages',
        setup(plugin) {
          plugin.onResolve({ filter: /^@boi\/(node|system|identity)$/ }, ({ path }) => ({ path, external: true }));
          // Nothing in these does anything when loaded: what is not used is left out.
          plugin.onResolve({ filter: /^(@boi\/core|typebox)(\/|$)/ }, async ({ path, pluginData, ...rest }) => {
            if (pluginData === 'resolved') return undefined;
            const found = await plugin.resolve(path, { ...rest, pluginData: 'resolved' });
            return { ...found, sideEffects: false };
          });
        },
      },
    ],
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle(process.argv[2] ?? join(root, 'dist/bundle'));
