#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# demo.sh - keepnat at work, for somebody who sees it for the first time: machines made of network namespaces, real
# clients and servers, and at the end what was proven. Each tick is a check; the exit status is 0 if all are there.
# `sudo ./run demo` calls it. The machine's own network is not touched.
# shellcheck source=tests/smoke/lib.sh
. "$(dirname "$0")/lib.sh"

bold='' dim='' green='' red='' plain=''
if [ -t 1 ]; then
	bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
fi
proven=()
failed=0
begin=$SECONDS

chapter() { printf '\n%s%s%s\n\n' "$bold" "$*" "$plain"; }
show() { sed 's/^/    /'; }

# Say what is run where, run it, show what it says. The status is the command's.
try() {	# MACHINE COMMAND...
	printf '  %s%s$%s %s\n' "$dim" "$1" "$plain" "${*:2}"
	in_ns "$@" >"$work/said" 2>&1
	local status=$?
	head -n "${lines:-12}" "$work/said" | show
	return $status
}

try_keepnat() {
	printf '  %sr$%s keepnat %s\n' "$dim" "$plain" "$*"
	keepnat "$@" >"$work/said" 2>&1
	local status=$?
	head -n "${lines:-14}" "$work/said" | show
	[ "$(wc -l <"$work/said")" -le "${lines:-14}" ] || printf '    ...\n'
	return $status
}

prove() {	# WHAT COMMAND...
	if "${@:2}" >"$tap_output" 2>&1; then
		proven+=("$green✓$plain $1")
		printf '  %s✓%s %s\n' "$green" "$plain" "$1"
	else
		proven+=("$red✗$plain $1")
		printf '  %s✗%s %s\n' "$red" "$plain" "$1"
		tail -n 5 "$tap_output" | show
		failed=$((failed + 1))
	fi
}

give_up() {
	printf '\ndemo: %s\n' "$1" >&2
	shift
	[ $# = 0 ] || tail -n 20 "$@" >&2
	exit 1
}

# Two downloads at once, of 10 MB each, slow enough to be looked at; from one source port.
twins_start() {
	for host in h1 h2; do
		background "twin-$host" $host curl -sS --max-time "$(patience 30)" --limit-rate 5M --local-port 40000 \
			-o "$work/got-$host" http://203.0.113.2:8080/file
		eval "twin_$host=$child"
	done
}

# shellcheck disable=SC2154	# set by eval above
twins_are_there() { [ "$(keepnat --json sessions --protocol tcp | grep -c '40000')" -ge 1 ] &&
	[ "$(list sessions --protocol tcp | jq -r 'select(.inside_port == 40000).inside_address' | sort -u | wc -l)" = 2 ]; }

# shellcheck disable=SC2154
twins_end() { wait "$twin_h1" && wait "$twin_h2"; }

twins_got_the_file() { cmp "$work/www/file" "$work/got-h1" && cmp "$work/www/file" "$work/got-h2"; }

twins_differ_outside() {
	mappings | awk '$1 == "tcp" && $3 == 40000 { print $4, $5 }' | sort -u | wc -l | grep -qx 2
}

# Those of TCP and UDP: ICMP's may have ended meanwhile.
mappings_are_there() {
	mappings | sort >"$work/after"
	grep -q . "$work/before" && ! comm -23 "$work/before" "$work/after" | grep -v '^icmp'
}

only_outside_addresses() { [ -s "$work/web" ] && ! grep -v "^$wan \|^Serving" "$work/web"; }

rate() { jq -er '.end.sum_received.bits_per_second / 1e9 * 100 | round / 100' "$work/said"; }

iperf() {	# NAME [-R]
	printf '  %sh1$%s iperf3 -c 203.0.113.2 -t 2 %s\n' "$dim" "$plain" "${*:2}"
	in_ns h1 timeout 20 iperf3 -c 203.0.113.2 -t 2 --json "${@:2}" >"$work/said" 2>&1
	printf '    %s Gbit/s\n' "$(rate)"
	prove "iperf3 $1: TCP at $(rate) Gbit/s through the NAT" rate
}

knows_hosts() { [ "$(list hosts | jq -r .outside_address | sort | uniq -c | tr -s ' ')" = " 3 $wan" ]; }
knows_mappings() { twins_differ_outside && mappings | grep -q "^udp 10.0.1.12 .* $wan "; }
knows_sessions() { list sessions | jq -r '"\(.protocol) \(.inside_address) \(.remote_address):\(.remote_port)"' |
	grep -qx 'udp 10.0.1.12 203.0.113.2:53'; }
knows_reasons() { [ $(($(reason out_session) + $(reason out_fast))) -gt 1000 ] && [ "$(list reasons | jq -s 'map(select(.verdict == "drop").packets) | add // 0')" = 0 ]; }
knows_status() { keepnat status | grep -q 'wan0 (outside): [a-z]' && keepnat status | grep -q 'warnings *none'; }

hooks_are_gone() { ! hooks | grep . && [ ! -e "$pins" ] && [ ! -e "$work/run/api.sock" ]; }

[ "$(id -u)" = 0 ] || give_up "this needs root, for network namespaces and BPF: sudo ./run demo"
[ -x "$keepnatd" ] || give_up "no $keepnatd: ./run build makes it"

chapter "1. Six machines, made of network namespaces"
cat <<'END'
    h1 10.0.0.11 ------------------ lan0 \                     s1 198.51.100.1
                                          r  wan0 198.51.100.2 ---<
    h3 10.0.64.33 -- h2 10.0.1.12 - lan1 /                     s2 203.0.113.2
         inside                        the NAT                outside

    Outside knows no way to 10.0.0.0/8. Without a NAT, nothing comes back:
END
machines || give_up "cannot make network namespaces"
mkdir "$work/www"
head -c 10000000 /dev/urandom >"$work/www/file"
echo 'hello from outside' >"$work/www/index.html"
background web s2 /usr/bin/python3 -u -m http.server -d "$work/www" 8080
if ! { listening tcp 8080 && dns_start s2 203.0.113.2 && iperf_start s2; }; then
	give_up "the servers do not start" "$work"/web "$work"/dns-s2
fi
in_ns r sysctl -qw net.ipv4.ip_forward=1
try h1 ping -c 1 -W 1 203.0.113.2
prove "without keepnat, no answer comes" test $? -ne 0
in_ns r sysctl -qw net.ipv4.ip_forward=0
prove "and outside, a capture sees why: the source is 10.0.0.11" wait_for 5 grep -q 'IP 10.0.0.11 > 203.0.113.2: ICMP' "$work/leaks"
end "$leaks"
leaks_watch || give_up "no capture outside" "$work/leaks"

chapter "2. keepnatd, on r"
config_default >"$work/keepnat.yaml"
show <"$work/keepnat.yaml"
printf '\n  %sr$%s keepnatd --config keepnat.yaml\n' "$dim" "$plain"
daemon_start "$work/keepnat.yaml" || give_up "keepnatd did not start:" "$work/daemon"
show <"$work/daemon"

chapter "3. Real clients"
try h1 ping -c 2 -i 0.2 -W 2 203.0.113.2
prove "ping is answered" test $? = 0
try h1 curl -sS --max-time 10 http://203.0.113.2:8080/
prove "curl gets the page" grep -q 'hello from outside' "$work/said"
try h3 curl -sS --max-time 10 http://203.0.113.2:8080/
prove "also from a network behind a router inside" grep -q 'hello from outside' "$work/said"
try h2 dig +short +tries=2 @203.0.113.2 www.example.net
prove "dig gets the address by DNS" grep -qx 203.0.113.80 "$work/said"

chapter "4. Two hosts, one source port, one server, at the same time"
twins_start
prove "both connections are there at once" wait_for 5 twins_are_there
try_keepnat sessions --protocol tcp
prove "both files arrive" twins_end
prove "byte for byte" twins_got_the_file
prove "from one inside port 40000, two outside ports" twins_differ_outside

chapter "5. Speed, with segmentation offload as the kernel likes it"
iperf upload
iperf download -R

chapter "6. The daemon is killed"
mappings | sort >"$work/before"
printf '  %sr$%s kill -9 %s\n' "$dim" "$plain" "$daemon"
nat_crash
try h2 curl -sS --max-time 10 http://203.0.113.2:8080/
prove "packets go on, new connections included: the NAT is in the kernel" grep -q 'hello from outside' "$work/said"
printf '  %sr$%s keepnatd --config keepnat.yaml\n' "$dim" "$plain"
daemon_start "$work/keepnat.yaml"
prove "a new daemon takes over" test $? = 0
prove "and knows the mappings of before" mappings_are_there

chapter "7. What it knows"
try_keepnat hosts
prove "three inside hosts, all on $wan" knows_hosts
echo
try_keepnat mappings
prove "mappings: an endpoint inside, an endpoint outside; of each that a client had" knows_mappings
echo
try_keepnat sessions
prove "sessions: who talks to whom, the DNS query among them" knows_sessions
echo
try_keepnat reasons
prove "reasons: each packet is counted by what became of it; nothing was dropped" knows_reasons
echo
try_keepnat status
prove "status: the programs are attached, nothing to warn of" knows_status

chapter "8. The end"
no_leaks() { leaks_end && ! leaks_list | grep .; }
prove "no packet with an inside source was seen outside" no_leaks
prove "the web server has seen nobody but $wan" only_outside_addresses
printf '  %sr$%s kill %s\n' "$dim" "$plain" "$daemon"
prove "keepnatd stops cleanly" nat_stop
prove "no hook, no pin, no socket is left" hooks_are_gone

chapter "What was proven, in $((SECONDS - begin)) s"
printf '  %s\n' "${proven[@]}"
if [ $failed != 0 ]; then
	printf '\n%s of %s failed\n' "$failed" "${#proven[@]}"
	exit 1
fi
printf '\nAll of it. Next: sudo ./run check, or README.md for two real interfaces.\n'
