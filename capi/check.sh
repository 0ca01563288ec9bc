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
library=$work/prefix/lib/libpowerstream.so

what="the shared library exports only ps_ symbols, all of the header, and needs only libc, libm and libgcc_s"
if installed nm readelf; then
    exported=$(nm -D --defined-only "$library" | awk '{ print $3 }' | sort)
    declared=$(grep -oE '\bps_[a-z0-9_]+\(' include/powerstream.h | tr -d '(' | sort -u)
    [ "$exported" = "$declared" ] || fail "$(diff <(echo "$declared") <(echo "$exported"))"
    needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
    ! grep -vE '^(libc|libm|libgcc_s|ld-linux[-a-z0-9_]*)\.so' <<<"$needed" || fail "needs: $needed"
    echo "   stripped: $(stat -Lc %s "$library") bytes; needs: $(tr '\n' ' ' <<<"$needed")"
fi

# The programs, built in both ways.
programs=()
export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig
what="the examples, by make and pkg-config"
if installed gcc g++ make pkg-config; then
    mkdir "$work/make"
    quietly make -C examples OUT="$work/make" CFLAGS="-O2 ${warnings[*]:0:4}" CXXFLAGS="-O2 ${warnings[*]:0:4}"
    programs+=("$work/make")
fi
what="the examples, by CMake, with the shared and with the static library"
if installed gcc g++ cmake; then
    for static in OFF ON; do
        quietly cmake -S examples -B "$work/cmake-$static" -DCMAKE_PREFIX_PATH="$work/prefix" \
            -DPOWERSTREAM_STATIC=$static -DCMAKE_BUILD_TYPE=Release
        quietly cmake --build "$work/cmake-$static"
        programs+=("$work/cmake-$static")
    done
fi

# Starts a server, and sets `url`.
simulate() {
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

what="no error and no leak in 10,000 messages, reconnects, shutdowns and wrong use, by valgrind"
if installed gcc valgrind; then
    gcc -std=c99 -g "${warnings[@]:0:4}" -I include tests/c/life.c -L "$work/prefix/lib" \
        -Wl,-rpath,"$work/prefix/lib" -lpowerstream -pthread -o "$work/life"
    simulate
    timeout 300 valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=all \
        --errors-for-leak-kinds=all "$work/life" 10000 "$url"
fi
