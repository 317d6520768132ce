#!/bin/sh
# Builds the modules of the examples from their C sources. Needs clang, lld, wasi-libc and the wasm32 compiler-rt
# (Debian: clang lld wasi-libc libclang-rt-14-dev-wasm32). The built modules are committed, so that nobody has to.
set -eu
cd "$(dirname "$0")"
for name in wordcount primes sha256-tree fetch csv-totals; do
  # The default stack of 64 KiB overflows into the data without a word.
  clang --target=wasm32-wasi -O2 -Wall -Wextra -Wl,-s -Wl,-z,stack-size=1048576 -o "$name/$name.wasm" "$name/$name.c"
done
