#!/usr/bin/env bash
# Installs the packages of this checkout, as they would be published, into DIR/node_modules: `docker/stage.sh DIR`.
# They must be built (`make build`). What an image or a host then needs is DIR and Node, no compiler and no registry.
set -euo pipefail
dir=${1:?usage: docker/stage.sh DIR}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
cd "$(dirname "$0")/.."

rm -rf "$dir/node_modules" "$dir/packed" "$dir/package.json" "$dir/package-lock.json"
mkdir "$dir/packed"
# The command, the plugins, and those packages of this repository that they need, directly or not.
mapfile -t names < <(node -e '
  const { readdirSync, readFileSync, existsSync } = require("fs");
  const packages = new Map();
  const plugins = [];
  for (const folder of ["packages", "plugins"]) for (const name of readdirSync(folder)) {
    const file = `${folder}/${name}/package.json`;
    if (!existsSync(file)) continue;
    const p = JSON.parse(readFileSync(file, "utf8"));
    packages.set(p.name, p);
    if (folder === "plugins") plugins.push(p.name);
  }
  const needed = new Set();
  const take = (name) => {
    if (needed.has(name) || !packages.has(name)) return;
    needed.add(name);
    Object.keys(packages.get(name).dependencies ?? {}).forEach(take);
  };
  ["boi-node", ...plugins].forEach(take);
  console.log([...needed].join("\n"));
')
# Each in a folder of its own: the archives of `@boi/node` and `boi-node` have the same name.
for i in "${!names[@]}"; do
  mkdir "$dir/packed/$i"
  npm pack --silent --ignore-scripts --pack-destination "$dir/packed/$i" --workspace="${names[$i]}" >/dev/null
done
echo '{"private":true,"type":"module"}' >"$dir/package.json"
npm install --prefix "$dir" --omit=dev --ignore-scripts --no-audit --no-fund --no-package-lock --loglevel=error "$dir"/packed/*/*.tgz >/dev/null
rm -rf "$dir/packed"
