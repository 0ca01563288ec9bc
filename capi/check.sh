#!/usr/bin/env bash
# Checks the C interface from a clean clone: `capi/check.sh TOOL`, where TOOL is the command-line
# tool, which simulates the server. Skips what is not installed, and names it.
set -euo pipefail
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
tool=$(realpath "$1")
work=$(mktemp -d)
servers=()
trap 'kill "${servers[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$here"

installed() {
    for program; do
        if ! command -v "$program" >/dev/null; then
            echo "-- $program is not installed: skipped $what"
            return 1
        fi
    done
    echo "-- $what"
}
fail() {
    echo "$*" >&2
    exit 1
}
quietly() { "$@" >"$work/log" 2>&1 || fail "$* failed: $(cat "$work/log")"; }

what="the header is that of the sources"
if installed cbindgen; then
    cbindgen --quiet --config cbindgen.toml --output "$work/powerstream.h" .
    diff -u include/powerstream.h "$work/powerstream.h" ||
        fail "run cbindgen --config cbindgen.toml --output include/powerstream.h ."
fi

warnings=(-Wall -Wextra -Wpedantic -Werror -fsyntax-only)
for compiler in gcc clang; do
    what="the header compiles alone as C99 and C11 by $compiler"
    installed $compiler || continue
    for standard in c99 c11; do $compiler -std=$standard "${warnings[@]}" -x c include/powerstream.h; done
done
for compiler in g++ clang++; do
    what="the headers compile alone as C++17 by $compiler, without exceptions"
    installed $compiler || continue
    for header in powerstream.h powerstream.hpp; do
        $compiler -std=c++17 -fno-exceptions "${warnings[@]}" -x c++ include/$header
    done
done

what="the library, and where it is installed"
installed install
quietly ./install.sh "$work/prefix"

# Checks the shared library under a prefix: its name for the dynamic linker, its symbols, and the
# libraries that it needs.
check_library() {
    local library=$1/lib/libpowerstream.so version exported declared needed dynamic
    version=$(sed -n 's/^Version: //p' "$1/lib/pkgconfig/powerstream.pc")
    dynamic=$(readelf -d "$library")
    grep -q "SONAME.*\[libpowerstream.so.${version%.*}\]" <<<"$dynamic" || fail "SONAME: $dynamic"
    for link in libpowerstream.so "libpowerstream.so.${version%.*}"; do
        [ -L "$1/lib/$link" ] && [ "$(realpath "$1/lib/$link")" = "$1/lib/libpowerstream.so.$version" ] ||
            fail "$link is no link to libpowerstream.so.$version"
    done
    exported=$(nm -D --defined-only "$library" | awk '{ print $3 }' | sort)
    declared=$(grep -oE '\bps_[a-z0-9_]+\(' include/powerstream.h | tr -d '(' | sort -u)
    [ "$exported" = "$declared" ] || fail "$(diff <(echo "$declared") <(echo "$exported"))"
    needed=$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<<"$dynamic")
    ! grep -vE '^(libc|libm|libgcc_s|ld-linux[-a-z0-9_]*)\.so' <<<"$needed" || fail "needs: $needed"
    echo "   $(stat -Lc %s "$library") bytes; needs: $(tr '\n' ' ' <<<"$needed")"
}
what="the shared library exports the functions of the header, and needs libc, libm and libgcc_s only"
if installed nm readelf; then check_library "$work/prefix"; fi

# Builds the examples against a prefix, in both ways.
programs=()
build_examples() {
    what="the examples, by make and pkg-config, with the files of $2"
    if installed gcc g++ make pkg-config; then
        mkdir "$work/make-$2"
        PKG_CONFIG_PATH=$1/lib/pkgconfig quietly make -C examples OUT="$work/make-$2" \
            CFLAGS="-O2 ${warnings[*]:0:4}" CXXFLAGS="-O2 ${warnings[*]:0:4}"
        programs+=("$work/make-$2")
    fi
    what="the examples, by CMake, with the shared and the static library of $2"
    if installed gcc g++ cmake; then
        for static in OFF ON; do
            quietly cmake -S examples -B "$work/cmake-$2-$static" -DCMAKE_PREFIX_PATH="$1" \
                -DPOWERSTREAM_STATIC=$static -DCMAKE_BUILD_TYPE=Release
            quietly cmake --build "$work/cmake-$2-$static"
            programs+=("$work/cmake-$2-$static")
        done
    fi
}
build_examples "$work/prefix" install.sh

what="the same files by cargo-c, in other places"
if ! cargo cinstall --version >/dev/null 2>&1; then
    echo "-- cargo-c is not installed: skipped $what"
elif installed nm readelf; then
    quietly cargo cinstall --release --prefix="$work/cinstall" --libdir=lib
    for file in include/powerstream.h include/powerstream.hpp lib/libpowerstream.a \
        lib/pkgconfig/powerstream.pc share/cmake/powerstream/powerstream-config.cmake; do
        [ -f "$work/cinstall/$file" ] || fail "no $file: $(find "$work/cinstall")"
    done
    check_library "$work/cinstall"
    build_examples "$work/cinstall" cargo-c
fi

# Starts a server, and sets `url`.
simulate() {
    # The shell opens the file in the background. Until then, it has the previous server's line.
    : >"$work/url"
    "$tool" simulate --listen 127.0.0.1:0 --rate 2000 "$@" >"$work/url" 2>/dev/null &
    servers+=($!)
    for _ in $(seq 100); do
        grep -q '^listening on ' "$work/url" && break
        sleep 0.1
    done
    url=$(sed -n 's/^listening on //p' "$work/url")
    : "${url:?the simulator did not start}"
}
simulate
plain=$url
simulate --tls --ca-out "$work/ca.pem"
tls=$url
export X_BEARER_TOKEN=any
for directory in "${programs[@]}"; do
    run() {
        local program=$1
        shift
        timeout 60 "$directory/$program" "$@" >"$work/log" 2>&1 || fail "$program $*: $(cat "$work/log")"
        echo "   $program: $(tail -1 "$work/log" | cut -c1-120)"
    }
    run blocking "$plain" "" 20
    run blocking "$tls" "$work/ca.pem" 20
    run epoll "$tls" "$work/ca.pem" 500
    run epoll "$plain" "" 500
    run busy_poll "$plain" 0 500
    run rules "$tls" "$work/ca.pem" 500 1000
done

# Builds the tests in C with further flags, and runs them under a command.
use_and_wrong_use() {
    local flags=$1
    shift
    for test in null life; do
        # shellcheck disable=SC2086
        gcc -std=c99 -g "${warnings[@]:0:4}" -I include tests/c/$test.c $flags -o "$work/$test" || fail "$test"
    done
    timeout 300 "$@" "$work/null" || fail "null: $what"
    simulate
    timeout 300 "$@" "$work/life" 10000 "$url" || fail "life: $what"
}
system=$(sed -n 's/^Libs.private: //p' "$work/prefix/lib/pkgconfig/powerstream.pc")

what="no error and no leak in 10,000 messages, reconnects, shutdowns and wrong use, by valgrind"
if installed gcc valgrind; then
    use_and_wrong_use "-L $work/prefix/lib -Wl,-rpath,$work/prefix/lib -lpowerstream -pthread" \
        valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=all
fi

what="the same by AddressSanitizer"
echo 'int main(void) { return 0; }' >"$work/empty.c"
if installed gcc; then
    if ! gcc -fsanitize=address "$work/empty.c" -o "$work/empty" 2>/dev/null; then
        echo "-- gcc has no AddressSanitizer: skipped $what"
    else
        # The heap of both sides, and the memory accesses of the C side.
        use_and_wrong_use "-fsanitize=address $work/prefix/lib/libpowerstream.a $system" env
        # The memory accesses of the Rust side, too.
        what="the same by AddressSanitizer, in the library too"
        if ! cargo +nightly --version >/dev/null 2>&1; then
            echo "-- nightly Rust is not installed: skipped $what"
        else
            echo "-- $what"
            host=$(rustc +nightly -vV | sed -n 's/^host: //p')
            export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$here/../target}/asan
            RUSTFLAGS=-Zsanitizer=address quietly cargo +nightly build --target "$host"
            use_and_wrong_use "-fsanitize=address $CARGO_TARGET_DIR/$host/debug/libpowerstream_capi.a $system" env
        fi
    fi
fi
