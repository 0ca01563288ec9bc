#!/usr/bin/env bash
# Builds the libraries and installs them under a prefix, with headers and the files for pkg-config
# and CMake:
#
#     capi/install.sh PREFIX [--debug]
#
# `cargo cinstall` (cargo-c) is meant to do the same, and knows more systems and options.
set -euo pipefail
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
prefix=$(realpath -m "${1:?usage: install.sh PREFIX [--debug]}")
profile=release
[ "${2:-}" != --debug ] || profile=debug

flag=()
[ $profile = debug ] || flag=(--release)
cargo build "${flag[@]}" --manifest-path "$here/Cargo.toml"
built=${CARGO_TARGET_DIR:-$here/../target}/$profile
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../Cargo.toml" | head -1)
soname=libpowerstream.so.${version%.*}

install -d "$prefix/include" "$prefix/lib/pkgconfig" "$prefix/lib/cmake/powerstream"
install -m 644 "$here"/include/powerstream.{h,hpp} "$prefix/include"
install -m 644 "$built/libpowerstream_capi.a" "$prefix/lib/libpowerstream.a"
install -m 755 "$built/libpowerstream_capi.so" "$prefix/lib/libpowerstream.so.$version"
[ $profile = debug ] || strip --strip-debug "$prefix/lib/libpowerstream.a"
[ $profile = debug ] || strip "$prefix/lib/libpowerstream.so.$version"
ln -sf "libpowerstream.so.$version" "$prefix/lib/$soname"
ln -sf "$soname" "$prefix/lib/libpowerstream.so"
install -m 644 "$here/cmake/powerstream-config.cmake" "$prefix/lib/cmake/powerstream"
sed "s|@prefix@|$prefix|; s|@version@|$version|" "$here/powerstream.pc.in" >"$prefix/lib/pkgconfig/powerstream.pc"
