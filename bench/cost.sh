#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# bench/cost.sh COMMIT - what a packet of a known session costs now, against COMMIT: instructions natively, exactly, by valgrind; and at TC
# CPU time of the program alone, by PROG_TEST_RUN, in turns, the least of many. Needs root. BUILD=DIR: another build than build.
# COST_ROUNDS=N: turns, 10 by default.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
BUILD=$(readlink -f "${BUILD:-build}")
rounds=${COST_ROUNDS:-10}
packets=20000
counted=20000
[ $# = 1 ] || { echo "usage: bench/cost.sh COMMIT" >&2; exit 2; }
command -v valgrind >/dev/null || { echo "cost.sh: valgrind is needed: apt-get install valgrind" >&2; exit 1; }
before=$BUILD/cost-before
trap 'git worktree remove --force "$before/tree" 2>/dev/null || :' EXIT

# The parts that bench/cost.c is built against, and it: cost_build TREE BUILD
cost_build() {
	ninja -C "$2" --quiet native/libnative.a bpf/keepnat.skel.h
	local flags=()
	grep -q test_run "$1/bpf/maps.h" && flags=(-DCOST_TEST_RUN)
	"${CC:-clang}" "${flags[@]}" -O2 -g -std=gnu11 -D_GNU_SOURCE -I"$1" -I"$2" bench/cost.c "$2/native/libnative.a" -lbpf -lpthread -s -o "$2/cost"
}

mkdir -p "$before"
git worktree add --force --detach "$before/tree" "$1" >/dev/null 2>&1 || { echo "cost.sh: no commit $1" >&2; exit 1; }
CC=${CC:-clang} meson setup --reconfigure "$before/build" "$before/tree" >"$before/setup.log" 2>&1 ||
	CC=${CC:-clang} meson setup "$before/build" "$before/tree" >"$before/setup.log" 2>&1
cost_build "$before/tree" "$before/build"
cost_build . "$BUILD"

# Instructions of a packet, natively: what twice as many take, less what so many take.
instructions() {
	local n
	for n in "$counted" $((2 * counted)); do
		valgrind --tool=callgrind --callgrind-out-file=/dev/null "$1" native "$n" 2>&1 | sed -n 's/^.*Collected : //p'
	done | awk -v n="$counted" '{ sum = NR == 1 ? -$1 : sum + $1 } END { printf "%.1f\n", sum / n }'
}

# The least of two columns.
least() { awk 'NR == 1 || $1 < out { out = $1 } NR == 1 || $2 < in_ { in_ = $2 } END { print out, in_ }' "$1"; }

for ((i = 0; i < rounds; i++)); do
	"$before/build/cost" tc "$packets" >>"$before/then.$$"
	"$BUILD/cost" tc "$packets" >>"$before/now.$$"
done
read -r out_then in_then <<<"$(least "$before/then.$$")"
read -r out_now in_now <<<"$(least "$before/now.$$")"
rm -f "$before/then.$$" "$before/now.$$"
row() { awk -v what="$1" -v a="$2" -v b="$3" 'BEGIN { printf "%-44s %9.1f %9.1f   %.3f\n", what, a, b, b / a }'; }
printf '%-44s %9s %9s   %s\n' "a packet of a known session" "$(git rev-parse --short "$1")" now ratio
row "natively, instructions" "$(instructions "$before/build/cost")" "$(instructions "$BUILD/cost")"
row "TC, out, ns" "$out_then" "$out_now"
row "TC, in, ns" "$in_then" "$in_now"
