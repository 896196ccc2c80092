#!/usr/bin/env bash
# Builds the images of this checkout, which must be built (`make build`): `docker/build.sh`.
#   boi-node:VERSION, boi-node:latest   one node
#   boi-etcd:latest                     one member of etcd, from Debian's package
set -euo pipefail
cd "$(dirname "$0")"
version=$(node -p "require('../packages/cli/package.json').version")
base=$(./base.sh)
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT

./stage.sh "$context/app"
cp healthcheck.js "$context"
docker build --quiet --build-arg "BASE=$base" --tag "boi-node:$version" --tag boi-node:latest --file Dockerfile "$context" >/dev/null
echo "boi-node:$version"

if ! docker image inspect boi-etcd:latest >/dev/null 2>&1; then
  mkdir -p "$context/packages" "$context/etcd"
  (cd "$context/packages" && apt-get download etcd-server etcd-client >/dev/null 2>&1) \
    || { echo "the packages etcd-server and etcd-client cannot be downloaded: is this a Debian, with an up-to-date package list?" >&2; exit 1; }
  for package in "$context"/packages/*.deb; do dpkg -x "$package" "$context/etcd"; done
  docker build --quiet --build-arg "BASE=$base" --tag boi-etcd:latest --file etcd.Dockerfile "$context" >/dev/null
fi
echo boi-etcd:latest
