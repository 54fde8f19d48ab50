# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=sh
#
# tap.sh - TAP for tests in shell:
#
#	. "$KEEPNAT_SOURCE/tests/tap.sh"
#	check "the daemon answers" curl -s --unix-socket "$sock" http://localhost/v1/status
#	is "one session" "$(count sessions)" 1
#	tap_done
#
# A test that ends before tap_done has no plan, so it counts as failed. tap_done's status is that of the test: let it
# be the last command.
tap_count=0
tap_failed=0
tap_output=$(mktemp)

tap_result() {	# ok|"not ok" NAME
	tap_count=$((tap_count + 1))
	printf '%s %d - %s\n' "$1" "$tap_count" "$2"
	[ "$1" = ok ] || tap_failed=$((tap_failed + 1))
}

# Lines for people; the driver shows them when the test failed.
note() { printf '%s\n' "$*" | sed 's/^/# /'; }

# check NAME COMMAND...: the command succeeds. Its output is shown if not. The status is the command's.
check() {
	tap_name=$1
	shift
	tap_status=0
	"$@" >"$tap_output" 2>&1 || tap_status=$?
	if [ "$tap_status" = 0 ]; then
		tap_result ok "$tap_name"
	else
		tap_result "not ok" "$tap_name"
		note "exit status $tap_status: $*"
		tail -n 40 "$tap_output" | sed 's/^/#   /'
	fi
	return "$tap_status"
}

# check_fails NAME COMMAND...: the command fails.
check_fails() {
	tap_name=$1
	shift
	if "$@" >"$tap_output" 2>&1; then
		tap_result "not ok" "$tap_name"
		note "succeeded: $*"
		tail -n 40 "$tap_output" | sed 's/^/#   /'
		return 1
	fi
	tap_result ok "$tap_name"
}

# is NAME GOT WANTED: equal strings.
is() {
	if [ "$2" = "$3" ]; then
		tap_result ok "$1"
	else
		tap_result "not ok" "$1"
		note "got:    $2"
		note "wanted: $3"
		return 1
	fi
}

# like NAME GOT REGEX: some line of GOT matches the extended regular expression.
like() {
	if printf '%s\n' "$2" | grep -Eq -- "$3"; then
		tap_result ok "$1"
	else
		tap_result "not ok" "$1"
		note "got:    $2"
		note "wanted: a match of $3"
		return 1
	fi
}

# skip NAME REASON: a case that cannot run here. skip_all REASON: none of this file can; ends the test.
skip() {
	tap_count=$((tap_count + 1))
	printf 'ok %d - %s # SKIP %s\n' "$tap_count" "$1" "$2"
}

skip_all() {
	printf '1..0 # SKIP %s\n' "$1"
	exit 0
}

# wait_for SECONDS COMMAND...: until the command succeeds, at most so long. Never sleep where a condition will do.
wait_for() {
	tap_until=$(($(date +%s%3N) + $1 * 1000))
	shift
	until "$@" >"$tap_output" 2>&1; do
		[ "$(date +%s%3N)" -lt "$tap_until" ] || return 1
		sleep 0.05
	done
}

tap_done() {
	rm -f "$tap_output"
	printf '1..%d\n' "$tap_count"
	[ "$tap_failed" = 0 ] && [ "$tap_count" -gt 0 ]
}
