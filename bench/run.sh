#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# bench/run.sh [OPTION...] [QUESTION] - build and ask all questions, or one; needs root. One table on standard output,
# every round in build/bench.json. Options are those of keepnat-bench; --check: the exit status says whether the
# targets were met (0 yes, 1 no, 3 not measured; 2: it could not be asked).
# BENCH_QUICK=1: some minutes instead of three quarters of an hour. BUILD=DIR: another build.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
BUILD=${BUILD:-build}
options=(--json "$BUILD/bench.json")
limit=7200
if [ "${BENCH_QUICK:-0}" != 0 ]; then
	options+=(--quick)
	limit=900
fi
ninja -C "$BUILD" --quiet bench/keepnat-bench
exec timeout --signal INT --kill-after 30 "$limit" "$BUILD/bench/keepnat-bench" "${options[@]}" "$@"
