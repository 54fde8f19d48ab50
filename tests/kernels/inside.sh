#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# inside.sh PART... - what runs in the guest:
#
#	verifier	each BPF program loads, within the budget; the rows go to $OUT/verifier too
#	outside		outside.sh: VLAN, bond, PPPoE and WireGuard as outside interface
#	smoke		the smoke tests
#	smoke/NAME	one of them
#
# A machine in software emulation is some eight times slower than its host: patience and time limits are as much longer.
# Each test's TAP stands between the lines "@begin NAME" and "@end STATUS SECONDS"; flatten.awk makes one stream of it.
set -u
here=$KEEPNAT_SOURCE/tests/kernels
limit=600
export SLOW=8

run_test() {	# NAME COMMAND...
	begin=$(date +%s)
	echo "@begin $1"
	shift
	timeout -k 5 $limit "$@" 2>&1
	echo "@end $? $(($(date +%s) - begin))"
}

# As TAP: one case, with the rows as its notes.
test_verifier() {
	if "$here/verifier.sh" >"$OUT/verifier" 2>"$OUT/verifier.log"; then
		echo "ok 1 - every program loads, within the budget"
	else
		echo "not ok 1 - every program loads, within the budget"
	fi
	sed 's/^/# /' "$OUT/verifier.log"
	echo 1..1
}

test_smoke() {	# NAME, or a pattern of names
	for file in "$KEEPNAT_SOURCE"/tests/smoke/$1.test; do
		run_test "smoke/$(basename "$file" .test)" "$file"
	done
}

cd "$KEEPNAT_SOURCE" || exit
for part; do
	case $part in
	verifier)
		echo "@begin verifier of $(uname -r)"
		test_verifier
		echo "@end 0 0"
		;;
	outside) run_test outside "$here/outside.sh" ;;
	smoke) test_smoke '*' ;;
	smoke/*) test_smoke "${part#smoke/}" ;;
	esac
done
echo "@done"
