#!/usr/bin/env bash
# docker-engine.sh - install (if missing) and run a private Docker engine for tests.
#
#   eval "$(docker-engine.sh start)"   install + start; prints one line: export DOCKER_HOST=...
#   docker-engine.sh status            what is running; exit 0 = answers, 3 = not running
#   docker-engine.sh stop              stop OUR engine (by pid, checked), leave foreign ones alone
#   docker-engine.sh stop --purge      the same and delete its data root
#   docker-engine.sh plugins           install Compose v2 (`docker compose`) and buildx where missing
#
# Made for a bare Debian machine: root, apt-get, no systemd, no image registry.
# Idempotent: a second `start` finds the running engine and only prints the line again.
# Only the export line goes to stdout; everything a person reads goes to stderr.
#
# Settings (environment):
#   SKREI_ENGINE_DIR    data root + log           (default /var/lib/skrei-engine)
#   SKREI_ENGINE_RUN    socket, pid, exec-root    (default /run/skrei-engine; keep it SHORT: a unix
#                    socket path may have 107 bytes, and containerd adds ~40 to it)
#   SKREI_ENGINE_POOL   address pool for networks (default 10.210.0.0/16)
#   SKREI_ENGINE_SIZE   prefix length per network (default 28 -> 4096 networks instead of Docker's ~30)
#   SKREI_ENGINE_BIP    docker0's own address     (default 10.211.0.1/24)
#   SKREI_ENGINE_REUSE  1 (default): an engine that DOCKER_HOST or the standard socket already
#                    reaches is used as it is (and never stopped by `stop`); 0: insist on our own
#   SKREI_ENGINE_ARGS   more dockerd arguments, split on blanks
set -euo pipefail

DIR=${SKREI_ENGINE_DIR:-/var/lib/skrei-engine}
RUN=${SKREI_ENGINE_RUN:-/run/skrei-engine}
POOL=${SKREI_ENGINE_POOL:-10.210.0.0/16}
SIZE=${SKREI_ENGINE_SIZE:-28}
BIP=${SKREI_ENGINE_BIP:-10.211.0.1/24}
REUSE=${SKREI_ENGINE_REUSE:-1}
SOCK=$RUN/docker.sock
PIDFILE=$RUN/dockerd.pid
EXEC=$RUN/exec
DATA=$DIR/data
LOG=$DIR/dockerd.log
STD_SOCK=/var/run/docker.sock

say() { printf 'skrei-engine: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Does an engine answer on this address? (the docker client is the only tool needed)
answers() { timeout 10 docker -H "$1" version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# True when process $1 lives and its command line holds every further argument.
# Guards against a pid file that outlived its process (killed, machine restarted) and
# whose number now belongs to something else.
is_proc() {
  local pid=$1 args want; shift
  [[ $pid =~ ^[0-9]+$ && -r /proc/$pid/cmdline ]] || return 1
  args=$(tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null) || return 1
  for want in "$@"; do grep -qF -- "$want" <<<"$args" || return 1; done
}

# pid of OUR dockerd, or nothing
own_pid() {
  local pid
  pid=$(cat "$PIDFILE" 2>/dev/null || true)
  if [[ -n $pid ]] && is_proc "$pid" dockerd "$DATA"; then echo "$pid"; fi
}

# pids of other engines in the same network namespace. Two of them fight: each flushes the
# DOCKER* iptables chains at start, which cuts the other one's published ports and isolation.
foreign_engines() {
  local p pid mine; mine=$(own_pid)
  for p in /proc/[0-9]*; do
    pid=${p#/proc/}
    [[ $pid != "$mine" && $(cat "$p/comm" 2>/dev/null || true) == dockerd ]] || continue
    [[ $(readlink "$p/ns/net" 2>/dev/null) == "$(readlink /proc/self/ns/net)" ]] && echo "$pid"
  done
  return 0
}

install_engine() {
  if command -v dockerd >/dev/null && command -v docker >/dev/null && command -v iptables >/dev/null; then return; fi
  [[ $(id -u) == 0 ]] || die "no dockerd here and not root: cannot install"
  command -v apt-get >/dev/null || die "no dockerd here and no apt-get"
  local t=$SECONDS o=(-o DPkg::Lock::Timeout=300 -qq)
  local pk=(docker.io iptables iproute2 ca-certificates)
  say "installing ${pk[*]} (apt)"
  # policy-rc.d: never let a package start its own service (docker.io's init script would
  # start an engine on the standard socket). Put back what was there.
  local prc=/usr/sbin/policy-rc.d made=0
  if [[ ! -e $prc ]]; then printf '#!/bin/sh\nexit 101\n' >$prc; chmod 755 $prc; made=1; fi
  export DEBIAN_FRONTEND=noninteractive
  # The lists on the machine may be empty or old: try them first (saves a few seconds), refresh on failure.
  apt-get "${o[@]}" install -y --no-install-recommends "${pk[@]}" >/dev/null 2>"$DIR/apt.log" ||
    { apt-get "${o[@]}" update >/dev/null 2>>"$DIR/apt.log" &&
      apt-get "${o[@]}" install -y --no-install-recommends "${pk[@]}" >/dev/null 2>>"$DIR/apt.log"; } ||
    { tail -n 20 "$DIR/apt.log" >&2; [[ $made == 0 ]] || rm -f $prc; die "apt-get install failed"; }
  [[ $made == 0 ]] || rm -f $prc
  hash -r
  say "installed in $((SECONDS - t)) s"
}

# A machine without systemd may have no cgroup hierarchy: mount one (v1, one per controller,
# as Debian's cgroupfs-mount does), unless v2 or v1 is there already.
mount_cgroups() {
  [[ -e /sys/fs/cgroup/cgroup.controllers ]] && return
  awk '$3=="cgroup"{f=1} END{exit !f}' /proc/mounts && return
  say "mounting cgroup v1 controllers"
  mountpoint -q /sys/fs/cgroup || mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
  local c
  awk '!/^#/ && $4==1 {print $1}' /proc/cgroups | while read -r c; do
    mkdir -p "/sys/fs/cgroup/$c"
    mountpoint -q "/sys/fs/cgroup/$c" || mount -t cgroup -o "$c" cgroup "/sys/fs/cgroup/$c" ||
      rmdir "/sys/fs/cgroup/$c"
  done
}

# What a killed engine leaves behind and what then stops the next one from starting:
# its own pid file and its containerd's pid file (both are believed when that number is alive,
# whoever it is), sockets, and shims that survived a kill -9.
clean_stale() {
  rm -f "$PIDFILE" "$SOCK"
  local cpid p pid
  cpid=$(cat "$EXEC/containerd/containerd.pid" 2>/dev/null || true)
  if [[ -n $cpid ]] && is_proc "$cpid" containerd "$EXEC/containerd"; then
    say "ending left-over containerd $cpid"; kill "$cpid" 2>/dev/null || true; sleep 1
    kill -9 "$cpid" 2>/dev/null || true
  fi
  rm -f "$EXEC"/containerd/containerd.pid "$EXEC"/containerd/*.sock*
  for p in /proc/[0-9]*; do
    pid=${p#/proc/}
    if is_proc "$pid" containerd-shim "$EXEC/containerd/containerd.sock"; then
      say "ending left-over shim $pid"; kill -9 "$pid" 2>/dev/null || true
    fi
  done
}

# A packet for a container or bridge that is already gone would follow the default route out of the
# machine. Refuse that for our address ranges (an `unreachable` route cannot be used: dockerd takes it
# for an overlap and then finds no free subnet).
guard() {
  local net
  for net in "$POOL" "$BIP"; do
    iptables -w -C OUTPUT -o "$1" -d "$net" -j REJECT 2>/dev/null || iptables -w -I OUTPUT -o "$1" -d "$net" -j REJECT
    iptables -w -C DOCKER-USER -o "$1" -d "$net" -j REJECT 2>/dev/null || iptables -w -I DOCKER-USER -o "$1" -d "$net" -j REJECT
  done
}

# Take the guard's rules away again, whatever interface they name.
unguard() {
  command -v iptables >/dev/null || return 0
  local rule
  { iptables -w -S 2>/dev/null | grep -E -- "-d (${POOL%/*}|${BIP%.*}\.0)/[0-9]+ -o .*-j REJECT" || true; } | while read -r rule; do
    # shellcheck disable=SC2086 # the saved rule is words
    iptables -w ${rule/#-A/-D} || true
  done
}

start() {
  mkdir -p "$DIR" "$RUN"
  # one start at a time; the lock is closed in the engine (9>&-), or it would be held for good
  exec 9>"$RUN/lock"; flock -w 300 9 || die "another start holds $RUN/lock"

  local pid; pid=$(own_pid)
  if [[ -n $pid ]] && answers "unix://$SOCK"; then
    say "already running (pid $pid)"; echo "export DOCKER_HOST=unix://$SOCK"; return
  fi
  if [[ -n $pid ]]; then say "pid $pid runs but does not answer: stopping it first"; stop; fi
  if [[ $REUSE == 1 ]] && command -v docker >/dev/null; then
    local h
    for h in "${DOCKER_HOST:-}" "unix://$STD_SOCK"; do
      if [[ -n $h ]] && answers "$h"; then
        say "using the engine that already answers at $h (not ours: stop leaves it alone)"
        echo "export DOCKER_HOST=$h"; return
      fi
    done
  fi

  install_engine
  [[ $(id -u) == 0 ]] || die "not root: cannot start dockerd"
  local other; other=$(foreign_engines)
  if [[ -n $other && ${SKREI_ENGINE_FORCE:-0} != 1 ]]; then
    die "another dockerd (pid ${other//$'\n'/ }) runs in this network namespace; two would overwrite each other's
   iptables chains. Point DOCKER_HOST at it, stop it, or start this one in its own namespace (unshare --net)."
  fi
  mount_cgroups
  clean_stale
  mkdir -p "$DATA" "$EXEC"
  # containers' interfaces get the uplink's MTU: a smaller uplink otherwise stalls large packets
  local up mtu=
  up=$(ip -o route show default 2>/dev/null | awk '{for(i=1;i<NF;i++) if($i=="dev"){print $(i+1); exit}}') || true
  [[ -z $up ]] || mtu=$(cat "/sys/class/net/$up/mtu" 2>/dev/null) || true
  local t0; t0=$(date +%s%N)
  # shellcheck disable=SC2086 # SKREI_ENGINE_ARGS is split on purpose
  setsid dockerd \
    --host "unix://$SOCK" --pidfile "$PIDFILE" \
    --data-root "$DATA" --exec-root "$EXEC" \
    --bip "$BIP" --default-address-pool "base=$POOL,size=$SIZE" \
    --mtu "${mtu:-1500}" \
    --log-driver local --log-opt max-size=10m --log-opt max-file=2 \
    --shutdown-timeout 5 --max-concurrent-downloads 1 \
    ${SKREI_ENGINE_ARGS:-} >"$LOG" 2>&1 </dev/null 9>&- &
  local child=$! i
  for ((i = 0; i < 300; i++)); do
    [[ -S $SOCK ]] && answers "unix://$SOCK" && break
    kill -0 "$child" 2>/dev/null || { tail -n 25 "$LOG" >&2; die "dockerd ended; its log is $LOG"; }
    sleep 0.1
  done
  answers "unix://$SOCK" || { tail -n 25 "$LOG" >&2; kill "$child"; die "no answer after 30 s; log: $LOG"; }
  [[ -z $up ]] || guard "$up"
  say "started pid $(cat "$PIDFILE") in $((($(date +%s%N) - t0) / 1000000)) ms, socket $SOCK, data $DATA"
  echo "export DOCKER_HOST=unix://$SOCK"
}

stop() {
  local pid i; pid=$(own_pid)
  if [[ -z $pid ]]; then say "not running (none of ours)"; else
    kill "$pid"                                   # TERM: stops containers, then containerd, then itself
    for ((i = 0; i < 200; i++)); do is_proc "$pid" dockerd "$DATA" || break; sleep 0.1; done
    if is_proc "$pid" dockerd "$DATA"; then say "no end after 20 s: killing $pid"; kill -9 "$pid"; sleep 0.5; fi
    say "stopped pid $pid"
  fi
  clean_stale
  unguard
  # dockerd binds its data root on itself; undo that and whatever a killed engine left mounted
  local m
  awk -v d="$DATA" -v r="$EXEC" 'index($2,d)==1||index($2,r)==1{print $2}' /proc/mounts | sort -r | while read -r m; do
    umount -l "$m" 2>/dev/null || true
  done
  if [[ ${1:-} == --purge ]]; then rm -rf --one-file-system "$DIR" "$RUN"; say "removed $DIR and $RUN"; fi
}

status() {
  local pid v; pid=$(own_pid)
  if [[ -n $pid ]] && v=$(timeout 10 docker -H "unix://$SOCK" info --format \
      '{{.ServerVersion}} driver={{.Driver}} cgroup=v{{.CgroupVersion}} running={{.ContainersRunning}} images={{.Images}}' 2>/dev/null); then
    say "running: pid $pid, engine $v"; echo "export DOCKER_HOST=unix://$SOCK"; return 0
  fi
  if [[ $REUSE == 1 ]] && command -v docker >/dev/null; then
    local h
    for h in "${DOCKER_HOST:-}" "unix://$STD_SOCK"; do
      if [[ -n $h ]] && answers "$h"; then say "not ours, but one answers at $h"; echo "export DOCKER_HOST=$h"; return 0; fi
    done
  fi
  say "not running"; return 3
}

# Compose v2 and buildx: not in bookworm, but the next Debian release's packages need only libc >= 2.34,
# so their binaries run here. Fetched with an apt state of their own (the machine's sources stay as
# they are, apt still checks the archive's signature) and unpacked as CLI plugins.
plugins() {
  local to=/usr/local/lib/docker/cli-plugins suite=${SKREI_ENGINE_PLUGIN_SUITE:-trixie} mirror p
  if docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; then say "plugins are there"; return; fi
  mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d/ 2>/dev/null | head -n1 | tr -d ' ' || true)
  [[ -n $mirror ]] || die "no Debian mirror in apt's sources"
  local w; w=$(mktemp -d); mkdir -p "$w/lists/partial" "$w/cache/archives/partial" "$to"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$w/list"
  local o=(-qq -o "Dir::State::lists=$w/lists" -o "Dir::Cache=$w/cache" -o "Dir::Etc::sourcelist=$w/list"
    -o Dir::Etc::sourceparts=/dev/null -o APT::Sandbox::User=root)
  apt-get "${o[@]}" update >&2
  (cd "$w" && apt-get "${o[@]}" download docker-compose docker-buildx >/dev/null)
  for p in "$w"/*.deb; do dpkg-deb -x "$p" "$w/x"; done
  install -m 755 "$w"/x/usr/libexec/docker/cli-plugins/docker-{compose,buildx} "$to/"
  rm -rf "$w"
  docker compose version >&2; docker buildx version >&2
}

case ${1:-} in
  start) start ;;
  plugins) plugins ;;
  stop) stop "${2:-}" ;;
  status) status ;;
  *) sed -n '2,25p' "$0" >&2; exit 2 ;;
esac
