#!/usr/bin/env bash
# The fleet of agents, all on this machine: a repository, a cluster of three nodes in one process, each with the plugin that makes
# worktrees, the spec dispatched and followed, and then what it left: branches, a merge, a report. Takes about a minute and
# leaves nothing but what --keep keeps.
#   examples/agents/run.sh [--keep DIR] [--set agent='…'] [--set seconds=5]
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d "${TMPDIR:-/tmp}/boi-agents-XXXXXX")
repository=$work/wordkit.git
sets=()
while [ $# -gt 0 ]; do
  case $1 in
    --keep) repository=$(realpath -m "$2"); shift 2 ;;
    --set) sets+=(--set "$2"); shift 2 ;;
    *) echo "usage: $0 [--keep DIR] [--set NAME=VALUE]…" >&2; exit 2 ;;
  esac
done
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

title 'A repository, and three nodes that can make worktrees of it'
examples/agents/make-repository.sh "$repository"
for node in dev-1 dev-2 dev-3; do
  boi plugin install git --kind workspace --data-dir "$work/data/$node" -- \
    node "$PWD/plugins/workspace-git/dist/main.js" --root "$work/data/$node/git" 2>"$work/install.log" >/dev/null ||
    { cat "$work/install.log" >&2; exit 1; }
done
node packages/cli/bin/boi-node.js dev --nodes 3 --slots 2 --port 0 --data-dir "$work/data" >"$work/dev.log" 2>&1 &
daemon=$!
for _ in $(seq 300); do
  grep -q '^ready' "$work/dev.log" && break
  kill -0 "$daemon" 2>/dev/null || { echo 'The cluster did not start.' >&2; exit 1; }
  sleep 0.1
done
grep -q '^ready' "$work/dev.log" || { echo 'The cluster was not ready within 30 seconds.' >&2; exit 1; }
boi node list

title 'Six agents, and one who merges: boi-node spec dispatch examples/agents/spec.yaml --wait --tail'
# It ends as failed, since one agent does: title-case does not pass its tests.
boi spec dispatch examples/agents/spec.yaml --set repository="$repository" "${sets[@]}" --wait --tail || [ $? -eq 1 ]

title 'Who did what where: boi-node task list agents'
boi task list agents

title 'What became of it: boi-node task tail merge'
merge=$(boi task list agents -o json | node -e '
  const tasks = JSON.parse(require("fs").readFileSync(0, "utf8"));
  console.log(tasks.find(({ ref }) => ref === "merge").id);
')
boi task tail "$merge"

title 'The history that is left: git log --graph'
git -C "$repository" log --graph --oneline --decorate --branches
if [ "${repository#"$work"}" = "$repository" ]; then echo; echo "The repository is kept: $repository"; fi
