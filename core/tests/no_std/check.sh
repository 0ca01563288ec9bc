#!/bin/sh
# Builds the library and checks its symbols: the core needs no std, no alloc and no allocator.
set -eu
cd "$(dirname "$0")"
target="${CARGO_TARGET_DIR:-target}"

cargo build --release
cargo build
cargo tree --edges normal,features --prefix none | grep -Eq '^powerstream-core ' || {
    echo "the proof does not link the core" >&2
    exit 1
}

if ! command -v nm >/dev/null; then
    echo "no nm: built, but symbols not checked" >&2
    exit 0
fi
for profile in release debug; do
    archive="$target/$profile/libpowerstream_core_no_std_proof.a"
    # The archive also contains all of core and compiler_builtins.
    symbols=$(nm --demangle "$archive" 2>/dev/null)
    for exported in powerstream_feed powerstream_first_post powerstream_content_bytes powerstream_backoff \
        powerstream_silence powerstream_post powerstream_merge powerstream_exchange; do
        echo "$symbols" | grep -q " T $exported\$" || {
            echo "$profile: $exported is not in the archive" >&2
            exit 1
        }
    done
    if echo "$symbols" | grep -E '__rust_alloc|__rust_realloc|__rust_dealloc|__rg_alloc|\b(malloc|calloc|realloc)$'; then
        echo "$profile: an allocator is linked" >&2
        exit 1
    fi
    if echo "$symbols" | grep -E '\b(alloc|std)::' | grep -v 'core::'; then
        echo "$profile: alloc or std is linked" >&2
        exit 1
    fi
done
echo "no std, no alloc, no allocator"
