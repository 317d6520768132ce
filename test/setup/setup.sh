#!/usr/bin/env bash
# Provides what the tests above unit level need on a bare Debian machine: nats-server, redis-server, tmux, zstd, bubblewrap, Ceph's
# S3 gateway (200 MB), network namespaces, a Docker engine of our own with Compose, and local stand-ins for the public images.
# Idempotent; needs root and apt.
set -euo pipefail
cd "$(dirname "$0")"

need=()
command -v nats-server >/dev/null || need+=(nats-server)
command -v redis-server >/dev/null || need+=(redis-server)
command -v bwrap >/dev/null || need+=(bubblewrap)
command -v ip >/dev/null || need+=(iproute2)
command -v openssl >/dev/null || need+=(openssl)
command -v git >/dev/null || need+=(git)
command -v tmux >/dev/null || need+=(tmux)
command -v zstd >/dev/null || need+=(zstd)
command -v curl >/dev/null || need+=(curl ca-certificates)
command -v radosgw >/dev/null || need+=(ceph-mon ceph-osd radosgw ceph-common)
if [[ ${#need[@]} -gt 0 ]]; then
  [[ $(id -u) == 0 ]] || { echo "setup: missing ${need[*]}, and only root can install them" >&2; exit 1; }
  echo "setup: installing ${need[*]}" >&2
  # The packages must not start servers of their own: tests run theirs on private ports.
  made=0
  if [[ ! -e /usr/sbin/policy-rc.d ]]; then printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; made=1; fi
  export DEBIAN_FRONTEND=noninteractive
  install() { apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${need[@]}" >/dev/null; }
  install 2>/dev/null || { apt-get -qq update >/dev/null && install; } || { [[ $made == 0 ]] || rm -f /usr/sbin/policy-rc.d; exit 1; }
  [[ $made == 0 ]] || rm -f /usr/sbin/policy-rc.d
fi

# The network door is attacked in namespaces of the tests' own, where every address is the test's.
unshare --net --mount sh -c 'ip link set lo up && ip route add local 0.0.0.0/0 dev lo && ip -6 route add local ::/0 dev lo' ||
  { echo "setup: network namespaces are not permitted here; test/network needs them (root, CAP_SYS_ADMIN, CAP_NET_ADMIN)" >&2; exit 1; }

eval "$(bash docker-engine.sh start)"
bash docker-engine.sh plugins
DOCKER_HOST=$DOCKER_HOST bash standin-images.sh
echo "setup: ready; Docker answers at $DOCKER_HOST" >&2
