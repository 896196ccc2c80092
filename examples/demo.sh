#!/usr/bin/env bash
# What `make demo` runs: a cluster of three nodes in one process, the C build example dispatched to it with its output followed,
# who ran what, a check of the store, and the end. Nothing of it outlives the script, and the user's own contexts are not touched.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d "${TMPDIR:-/tmp}/boi-demo-XXXXXX")
export BOI_CONFIG_DIR=$work/config
unset BOI_CONTEXT BOI_ENDPOINTS BOI_PROJECT BOI_FORMAT
boi() { node packages/cli/bin/boi-node.js "$@"; }
title() { printf '\n== %s\n' "$*"; }

daemon=
finish() {
  local status=$?
  if [ -n "$daemon" ] && kill -0 "$daemon" 2>/dev/null; then
    kill -TERM "$daemon"
    wait "$daemon" || { echo 'The cluster did not stop cleanly:' >&2; status=1; }
  fi
  if [ "$status" -ne 0 ] && [ -s "$work/dev.log" ]; then tail -n 50 "$work/dev.log" >&2; fi
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

title 'A cluster of three nodes: boi-node dev --nodes 3'
node packages/cli/bin/boi-node.js dev --nodes 3 --port 0 --data-dir "$work/data" >"$work/dev.log" 2>&1 &
daemon=$!
for _ in $(seq 300); do
  grep -q '^ready' "$work/dev.log" && break
  kill -0 "$daemon" 2>/dev/null || { echo 'The cluster did not start.' >&2; exit 1; }
  sleep 0.1
done
grep -q '^ready' "$work/dev.log" || { echo 'The cluster was not ready within 30 seconds.' >&2; exit 1; }
cat "$work/dev.log"
boi node list

title 'Build and test a C library in four variants: boi-node spec dispatch examples/c-build/spec.yaml --tail'
boi spec dispatch examples/c-build/spec.yaml --set src="$PWD/examples/c-build" --set out="$work/c-build" --wait --tail

title 'What it is now: boi-node spec show c-build'
boi spec show c-build

title 'Tasks by node'
boi task list c-build -o json | node -e '
  const items = JSON.parse(require("fs").readFileSync(0, "utf8"));
  const counts = new Map();
  for (const { node } of items) counts.set(node?.name ?? node?.id, (counts.get(node?.name ?? node?.id) ?? 0) + 1);
  for (const [name, count] of [...counts].sort()) console.log(`${name}: ${count} tasks`);
'

title 'Nothing lost, nothing twice: boi-node cluster fsck'
boi cluster fsck

title 'The merged report'
cat "$work/c-build/report.txt"
diff examples/c-build/expected.txt "$work/c-build/report.txt"
echo
echo 'The report is the one that was expected.'
