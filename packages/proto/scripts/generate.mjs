// Writes src/generated/ from the .proto files: the types of every message and service, and the descriptors as a module, so that
// a bundled program carries the contracts with it and needs no file at run time. `node scripts/generate.mjs [DIRECTORY]`.
//
// The result is checked in: a change of a contract then shows in review as the change of types that it is, and nobody needs
// the generator to build. A test holds it against the .proto files.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import protobuf from 'protobufjs';

const protoRoot = join(import.meta.dirname, '..', '..', '..', 'proto');
const target = process.argv[2] ?? join(import.meta.dirname, '..', 'src', 'generated');
const files = readdirSync(protoRoot, { recursive: true })
  .filter((name) => name.endsWith('.proto'))
  .sort();

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
const loader = dirname(createRequire(import.meta.url).resolve('@grpc/proto-loader/package.json'));
execFileSync(
  process.execPath,
  [
    join(loader, 'build', 'bin', 'proto-loader-gen-types.js'),
    ...['--longs=String', '--enums=String', '--defaults', '--oneofs', '--includeComments'],
    ...['--grpcLib=@grpc/grpc-js', '--importFileExtension=.ts', `--includeDirs=${protoRoot}`, `--outDir=${target}`],
    ...files,
  ],
  { stdio: ['ignore', 'ignore', 'inherit'] },
);

// The types of whole packages (one file for each .proto file, at the top) are not used; paths of this machine go.
for (const name of readdirSync(target, { recursive: true })) {
  const path = join(target, name);
  if (!name.endsWith('.ts')) continue;
  if (!name.includes(sep)) rmSync(path);
  else writeFileSync(path, readFileSync(path, 'utf8').replace(`${protoRoot}${sep}`, 'proto/'));
}

// Nobody needs types of the health service: its descriptors do.
rmSync(join(target, 'grpc'), { recursive: true });

// One module for each contract that names all of its messages.
for (const kind of readdirSync(join(target, 'boi'))) {
  const names = readdirSync(join(target, 'boi', kind, 'v1')).sort();
  const lines = names.map((name) => `export type * from './boi/${kind}/v1/${name}';\n`);
  writeFileSync(
    join(target, `${kind}.ts`),
    `// Original file: proto/boi/${kind}/v1/${kind}.proto\n\n${lines.join('')}`,
  );
}

const root = new protobuf.Root();
root.resolvePath = (_origin, name) => join(protoRoot, name);
root.loadSync(files).resolveAll();
writeFileSync(
  join(target, 'descriptors.ts'),
  `// Original file: proto/**/*.proto, as protobuf.js keeps them\n\nexport const DESCRIPTORS: object = ${JSON.stringify(root.toJSON(), null, 1)};\n`,
);
