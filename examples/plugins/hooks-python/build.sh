#!/bin/sh
# Makes build/ from the contracts and nothing else: messages by protoc, services by gRPC's plugin for Python.
# Debian: apt-get install protobuf-compiler protobuf-compiler-grpc python3-grpcio python3-protobuf
set -eu
here=$(cd "$(dirname "$0")" && pwd)
proto=${BOI_PROTO:-$here/../../../proto}
out=${1:-$here/build}
mkdir -p "$out"
python() { protoc "--plugin=protoc-gen-grpc=$(command -v grpc_python_plugin)" "--python_out=$out" "--grpc_out=$out" "$@"; }
python -I "$proto" boi/hooks/v1/hooks.proto
# From its own folder: as grpc/health/v1 its module would hide behind the package named grpc.
python -I "$proto/grpc/health/v1" health.proto
