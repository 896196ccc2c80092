#!/usr/bin/env bash
# Makes the image everything else here is built on, and prints its tag: `base=$(docker/base.sh)`.
#
# Debian with Node, git, an init and certificates. Where images can be pulled it is the official Node image with Debian's
# packages (base.Dockerfile); where none can, a tree made by debootstrap with the Node that runs here, so the tree is of the
# same Debian as this host. An image that exists is used as it is; `docker image rm` it to make it anew.
set -euo pipefail
cd "$(dirname "$0")"

NODE_IMAGE=${NODE_IMAGE:-node:22-bookworm-slim}
# How long a registry may take to answer before there is none.
PULL_SECONDS=${PULL_SECONDS:-120}
# What the image needs besides Node: an init that reaps, git for workspaces, certificates for whatever tasks fetch.
PACKAGES=ca-certificates,git,tini,libstdc++6

say() { printf '%s\n' "$*" >&2; }
present() { docker image inspect "$1" >/dev/null 2>&1; }

docker version >/dev/null 2>&1 || { say 'no Docker engine answers; `.ci/with-docker COMMAND` starts one'; exit 1; }

pulled=boi-node-base:$(printf '%s' "$NODE_IMAGE" | tr ':/' '--')
made=boi-node-base:debootstrap-$(node --version)
for tag in "$pulled" "$made"; do
  if present "$tag"; then
    echo "$tag"
    exit
  fi
done

if present "$NODE_IMAGE" || timeout "$PULL_SECONDS" docker pull --quiet "$NODE_IMAGE" >/dev/null 2>&1; then
  say "Building $pulled on $NODE_IMAGE"
  docker build --quiet --build-arg "NODE_IMAGE=$NODE_IMAGE" --build-arg "PACKAGES=${PACKAGES//,/ }" \
    --tag "$pulled" --file base.Dockerfile . >&2
  echo "$pulled"
  exit
fi

say "$NODE_IMAGE cannot be pulled; making a base image with debootstrap (about a minute)"
../.ci/need debootstrap:debootstrap
[ "$(id -u)" -eq 0 ] || { say 'debootstrap needs root'; exit 1; }
# shellcheck disable=SC1091 # a file of the host
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
# The mirror this host installs from; debootstrap's own if it names none.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | head -n 1)
tree=$(mktemp -d)
trap 'rm -rf --one-file-system "$tree"' EXIT
if ! debootstrap --variant=minbase --include="$PACKAGES" "$codename" "$tree/root" ${mirror:+"$mirror"} >"$tree/log" 2>&1; then
  tail -n 20 "$tree/log" >&2
  exit 1
fi
install -m 755 "$(node -p process.execPath)" "$tree/root/usr/local/bin/node"
# A base image is no place for package lists, manuals and the host's name server.
rm -rf "$tree/root"/var/{cache/apt,lib/apt/lists,log}/* "$tree/root"/usr/share/{doc,man,locale,info}/* "$tree/root/etc/resolv.conf"
tar --numeric-owner -C "$tree/root" -c . | docker import --change 'CMD ["/bin/bash"]' - "$made" >/dev/null
echo "$made"
