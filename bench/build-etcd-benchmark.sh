#!/usr/bin/env bash
# Builds etcd's own load client, for `ETCD_BENCHMARK=… npm run bench`: build-etcd-benchmark.sh DIRECTORY
# Needs Go and its module proxy. The client of the 3.5 line, because that of 3.4 is not published as a
# module; it speaks to 3.4 servers as well.
set -euo pipefail

version=v3.5.9
target=${1:?the directory that the program goes to}
mkdir -p "$target"
target=$(cd "$target" && pwd)
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"

# A module of our own that needs the client: its dependencies are replaced in etcd's own module file,
# which `go install …@version` refuses.
export GOPATH="$work/go" GOFLAGS=-mod=mod
go mod init build.invalid/etcd-benchmark >/dev/null 2>&1
go get "go.etcd.io/etcd/v3/tools/benchmark@$version" >/dev/null 2>&1
GOBIN="$target" go install go.etcd.io/etcd/v3/tools/benchmark
mv "$target/benchmark" "$target/etcd-benchmark"
echo "ETCD_BENCHMARK=$target/etcd-benchmark"
