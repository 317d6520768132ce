#!/usr/bin/env bash
# Builds the holder's program for both architectures and writes down what it was built from and by. Needs gcc and
# gcc-aarch64-linux-gnu. `build.sh FOLDER` leaves the result there instead of beside the sources.
set -euo pipefail
cd "$(dirname "$0")"
to=${1:-.}
flags=(-std=c17 -static -nostdlib -ffreestanding -Os -fno-pie -no-pie -fno-stack-protector -fno-asynchronous-unwind-tables
  -fno-tree-loop-distribute-patterns -Wall -Wextra -Werror -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,noseparate-code -Wl,-z,max-page-size=4096 -s)
sources=(main.c relay.c closed.c)
gcc "${flags[@]}" -o "$to/holder-amd64" "${sources[@]}"
aarch64-linux-gnu-gcc "${flags[@]}" -mno-outline-atomics -o "$to/holder-arm64" "${sources[@]}"
sha256sum build.sh *.c *.h >"$to/SOURCES"
{ gcc --version | head -n1; aarch64-linux-gnu-gcc --version | head -n1; } >"$to/COMPILERS"
