#!/bin/sh
# Builds the modules of this folder from their sources. Needs clang, lld, wasi-libc and the wasm32 compiler-rt
# (Debian: clang lld wasi-libc libclang-rt-14-dev-wasm32), and wat2wasm of the workspace. The built modules are committed.
set -eu
cd "$(dirname "$0")"
for source in *.c; do
  clang --target=wasm32-wasi -O2 -Wl,-s -Wl,-z,stack-size=1048576 -o "${source%.c}.wasm" "$source"
done
for source in *.wat; do
  ../../node_modules/.bin/wat2wasm "$source" -o "${source%.wat}.wasm"
done
