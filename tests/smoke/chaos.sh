# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# chaos.sh - what the tests of chaos share beyond lib.sh: thousands of flows that are counted packet by packet, deaths of the
# daemon, and what must be true after each.
#
#	. "$(dirname "$0")/chaos.sh"
#	chaos_machines && config >"$work/chaos.yaml" && nat_start "$work/chaos.yaml" && traffic_start 2000
#	...
#	harmless "SIGKILL"
# shellcheck source=tests/smoke/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

export KN_WAN=$wan
traffic_in='' traffic_out=''

chaos_machines() { machines && more_hosts 50; }

# What the traffic needs (traffic.c); restarts at once, however often. More can be appended to it.
config() {
	cat <<-END
	interfaces:
	  - {name: wan0, role: outside}
	  - {name: lan0, role: inside}
	  - {name: lan1, role: inside}
	port_mappings:
	  - {protocol: both, outside: "$wan:8000", inside: "10.0.1.12:8000"}
	capacity: {sessions: 65536, hosts: 1024}
	recovery: {backoff: 0, give_up_after: 0, keep: 5}
	END
}

traffic_start() {	# FLOWS [LOOSE [RATE]]
	coproc TRAFFIC { exec "$KEEPNAT_BUILD/tests/smoke/traffic" "$1" "${2:-0}" "${3:-0}" 2>"$work/traffic.err"; }
	# shellcheck disable=SC2153	# set by coproc
	traffic_in=${TRAFFIC[1]} traffic_out=${TRAFFIC[0]}
	children+=("$TRAFFIC_PID")
	traffic_line "$(patience 60)"
}

traffic_line() {	# SECONDS: its next line is in $said
	read -r -t "$1" said <&"$traffic_out" && return
	note "the traffic has ended:" "$(cat "$work/traffic.err")"
	return 1
}

# No packet comes any more; what was seen since the last time is in $work/seen. traffic_go: it goes on.
traffic_hold() {
	echo hold >&"$traffic_in"
	traffic_line "$(patience 60)" || return
	echo "$said" >"$work/seen"
}
traffic_go() { echo go >&"$traffic_in"; }
seen() { jq -r "$1" "$work/seen"; }

intact() { "$KEEPNAT_BUILD/tests/smoke/intact" "$pins"; }
passes_over() { keepnat --json status | jq -e ".sweep.passes >= $1"; }
# Two full passes from now on, and what is under way: of what nobody has a bit goes in the second.
swept() {
	local passes
	passes=$(keepnat --json status 2>/dev/null | jq .sweep.passes) && wait_for "$(patience 60)" passes_over $((passes + 3))
}

# The worker among the parent's children: whoever writes a report has no signal blocked.
worker() {
	local pid word blocked
	for pid in $(tr ' ' '\n' 2>/dev/null <"/proc/$daemon/task/$daemon/children"); do
		while read -r word blocked; do
			[ "$word" != SigBlk: ] || [ $((0x$blocked >> 14 & 1)) = 0 ] || echo "$pid"
		done 2>/dev/null <"/proc/$pid/status"
	done | tail -n 1
}
worker_is_new() { [ -n "$(worker)" ] && [ "$(worker)" != "$1" ]; }
answers() { keepnat status; }
recoveries() { keepnat --json status 2>/dev/null | jq .recoveries.since_start; }

# What became of the packets since the last time. No packet comes any more.
unharmed() {	# NAME
	traffic_hold || return
	echo "#| $1: $(seen '"\(.messages) messages of \(.flows) flows and \(.new) new sessions in \(.seconds) s, longest pause \(.pause_ms) ms"')"
	note "$(cat "$work/seen")"
	is "$1: packets lost in established flows" "$(seen '.lost + .resent + .broken')" 0
	is "$1: messages by a wrong outside endpoint, or by one that is two flows'" "$(seen '.wrong + .shared')" 0
	is "$1: new sessions that did not come to be" "$(seen .new_lost)" 0
	is "$1: each flow and new sessions were at work" "$(seen '.messages >= .flows and .new > 0')" true
}

# While no packet comes: what is left in the tables after the next full sweep.
mended() {	# NAME
	check "$1: a daemon sweeps" swept
	check "$1: nothing is half-made, no port leaked" wait_for "$(patience 30)" intact
}
