/**
 * Bundles the command into `dist/bundle` (or the directory given as argument): the last step of the build. Each command and
 * each rarely needed library stays a chunk of its own, loaded when it is used. The daemon (`@boi/node`, for `join` and
 * `dev`), the logger and the making of keys stay outside: they come from their packages, whole.
 *
 * A command that runs loads its chunks one by one. So a file that would not change is left alone, a changed one is put in its
 * place whole, the entry last, and chunks of the bundle before are kept: who reads finds each file as it was or as it is.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** `outdir` is absolute. */
export async function bundle(outdir) {
  const { outputFiles } = await build({
    write: false,
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
  const isEntry = ({ path }) => dirname(path) === outdir;
  for (const file of outputFiles.toSorted((a, b) => Number(isEntry(a)) - Number(isEntry(b)))) await put(file);
}

async function put({ path, contents }) {
  const before = await readFile(path).catch(() => undefined);
  if (before?.equals(contents)) return;
  await mkdir(dirname(path), { recursive: true });
  const whole = `${path}.${process.pid}.part`;
  await writeFile(whole, contents);
  await rename(whole, path);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await bundle(resolve(process.argv[2] ?? join(root, 'dist/bundle')));
