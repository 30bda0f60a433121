#!/usr/bin/env bash
# Installs what the tests need besides Node, on Debian or Ubuntu: a real redis-server to compare with,
# its tools, a C compiler and the tools of network namespaces (test/nemesis). `setup-debian.sh bench` adds what only
# the comparisons of bench/ need: etcd. Does nothing when all is there. Needs root, or sudo without a password.
set -euo pipefail

packages=(redis-server redis-tools gcc libc6-dev iproute2)
case "${1:-}" in
  '') ;;
  bench) packages+=(etcd-server etcd-client) ;;
  *)
    echo "setup: unknown word $1; there is only: bench" >&2
    exit 2
    ;;
esac

missing=()
for package in "${packages[@]}"; do
  dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ "${#missing[@]}" -eq 0 ]; then
  echo "setup: ${packages[*]} are installed"
  exit 0
fi

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo --non-interactive)

# The packages would start servers of their own; the tests and comparisons start theirs.
policy=/usr/sbin/policy-rc.d
made_policy=false
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
  made_policy=true
fi
restore_policy() { if $made_policy; then "${as_root[@]}" rm -f "$policy"; fi; }
trap restore_policy EXIT

echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
redis-server --version
