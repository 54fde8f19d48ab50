# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# lib.sh - what the smoke tests and the demo share: machines made of network namespaces, the NAT between them, servers.
#
#	h1 10.0.0.11 ---------------------- lan0 \             / wan0 198.51.100.2 --- s1 198.51.100.1, .10, .11
#	                                          r (the NAT) <                        |  203.0.113.1
#	h3 10.0.64.33 --- h2 10.0.1.12 ---- lan1 /             \ (wan1 192.0.2.2)     s2 203.0.113.2, .3 (192.0.2.1)
#
# h2 is a host and the router of the network behind it; s1 is a server and the provider's router. 10.0.0.1 and 10.0.1.1
# are r's. Outside knows no way to 10.0.0.0/16: only what was translated is answered. A capture at s1 counts, all the
# while, what arrives there with an inside source (leaks_check).
#
#	. "$(dirname "$0")/lib.sh"
#	machines && nat_start
#	check "..." in_ns h1 curl ...
#	smoke_done
#
# Everything is named kn$$-..., everything ends with the script, and nothing is touched that it did not make.
#
# SLOW=N	all patience times N (emulated machines); amounts of data shrink as much
# ACCELERATE=off|tc|xdp|all	nat.accelerate, where a test's own configuration does not set it (auto)
# NAT=nft	for debugging the tests: nftables masquerade in keepnat's place; what only keepnat does must fail then
# NAT=none	plain forwarding: nearly everything must fail
set -u
KEEPNAT_SOURCE=${KEEPNAT_SOURCE:-$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../..}
KEEPNAT_SOURCE=$(realpath "$KEEPNAT_SOURCE")
KEEPNAT_BUILD=$(realpath "${KEEPNAT_BUILD:-$KEEPNAT_SOURCE/${BUILD:-build}}")
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C.UTF-8
SLOW=${SLOW:-1}
NAT=${NAT:-keepnat}
# shellcheck source=tests/tap.sh
. "$KEEPNAT_SOURCE/tests/tap.sh"

tap_output=${tap_output:?}
kn=kn$$
work=$(mktemp -d)
pins=/sys/fs/bpf/$kn
namespaces=()
children=()
daemon=
leaks=
pool=
wan=198.51.100.2
keepnatd=$KEEPNAT_BUILD/daemon/keepnatd
where=(--instance "$kn" --run-dir "$work/run")
export KN=$kn SLOW KN_WORK=$work

# Seconds of patience.
patience() { echo $(($1 * SLOW)); }

# As tap.sh's, without a process for each look: they are dear on emulated machines.
exec {nothing}<> <(:)
wait_for() {	# SECONDS COMMAND...
	local until=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@" >"$tap_output" 2>&1; do
		[ "${EPOCHREALTIME/./}" -lt $until ] || return 1
		read -r -t 0.05 -u "$nothing"
	done
	return 0
}

# In a machine, without a new /sys, which would hide what is pinned.
in_ns() { nsenter --net="/run/netns/$kn-$1" "${@:2}"; }

# background NAME MACHINE COMMAND...: its output goes to $work/NAME; its number is in $child. It ends with the script.
background() {
	local name=$1 machine=$2
	shift 2
	nsenter --net="/run/netns/$kn-$machine" "$@" >"$work/$name" 2>&1 </dev/null &
	child=$!
	children+=("$child")
}

end() {	# PID...: end these and wait for them; by force if they will not
	local pid
	for pid; do kill "$pid" 2>/dev/null; done
	for pid; do
		wait_for "$(patience 10)" is_gone "$pid" || kill -9 "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
}

is_gone() {
	local stat
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
	[[ $stat == *") Z "* ]]
}

# shellcheck disable=SC2317	# called by the trap
clean_up() {
	local name
	trap '' INT TERM HUP
	[ ${#children[@]} = 0 ] || end "${children[@]}"
	[ -z "$daemon" ] || end "$daemon"
	for name in "${namespaces[@]}"; do ip netns del "$name" 2>/dev/null; done
	umount "$work/run/defrag" 2>/dev/null
	rm -rf "$pins" "$work" "$tap_output"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

#
# Machines
#

# machine, cable, address, route and forwards only take notes; connect makes it so, with few processes.
notes_new() { notes_machines='' notes_cables='' notes_forwards='' && declare -gA notes_ip=(); }
notes_new

machine() {	# NAME...
	local name
	for name; do
		namespaces+=("$kn-$name")
		notes_machines+="netns add $kn-$name"$'\n'
		notes_ip[$name]+="link set lo up"$'\n'
	done
}

# cable MACHINE DEVICE ADDRESSES MACHINE DEVICE ADDRESSES: addresses are separated by commas.
cable() {
	notes_cables+="link add $2 netns $kn-$1 type veth peer name $5 netns $kn-$4"$'\n'
	cable_end "$1" "$2" "$3"
	cable_end "$4" "$5" "$6"
}

cable_end() {
	local address
	for address in ${3//,/ }; do notes_ip[$1]+="addr add $address dev $2"$'\n'; done
	notes_ip[$1]+="link set $2 up"$'\n'
}

route() { notes_ip[$1]+="route add ${*:2}"$'\n'; }
forwards() { notes_forwards+=" $*"; }

connect() {
	local name
	ip -batch - <<<"$notes_machines$notes_cables" || return
	for name in "${!notes_ip[@]}"; do ip -n "$kn-$name" -batch - <<<"${notes_ip[$name]}" || return; done
	case ${ACCELERATE:-} in xdp | all) xdp_ready || return ;; esac
	for name in $notes_forwards; do in_ns "$name" sysctl -qw net.ipv4.ip_forward=1 || return; done
	notes_new
}

# XDP redirects into a veth whose other end has NAPI; and what comes from one has no checksum unless its sender computes it.
xdp_ready() {
	local machine device
	while read -r machine device; do
		in_ns "$machine" ethtool -K "$device" gro on tx off >"$tap_output" 2>&1 || return
	done < <(sed -n "s/^link add \([^ ]*\) netns $kn-\([^ ]*\) type veth peer name \([^ ]*\) netns $kn-\(.*\)/\2 \1\n\4 \3/p" <<<"$notes_cables")
}

# The drawing above.
machines() {
	machine h1 h2 h3 r s1 s2
	cable r lan0 10.0.0.1/24 h1 eth0 10.0.0.11/24
	cable r lan1 10.0.1.1/24 h2 eth0 10.0.1.12/24
	cable h2 eth1 10.0.64.1/24 h3 eth0 10.0.64.33/24
	cable r wan0 $wan/24 s1 isp0 198.51.100.1/24,198.51.100.10/24,198.51.100.11/24
	cable s1 net0 203.0.113.1/24 s2 eth0 203.0.113.2/24,203.0.113.3/24,203.0.113.4/24
	route h1 default via 10.0.0.1
	route h2 default via 10.0.1.1
	route h3 default via 10.0.64.1
	route r 10.0.64.0/24 via 10.0.1.12
	route r default via 198.51.100.1
	route s2 default via 203.0.113.1
	forwards h2 s1
	connect && leaks_watch
}

# A second way out, from r straight to s2.
second_uplink() { cable r wan1 192.0.2.2/24 s2 isp1 192.0.2.1/24 && connect; }

# more_hosts N [MACHINE NETWORK]: N more inside hosts, at most 154, 10.0.0.101 and on; they live in h1.
more_hosts() { seq 101 $((100 + $1)) | sed "s,.*,addr add ${3:-10.0.0}.&/24 dev eth0," | ip -n "$kn-${2:-h1}" -batch -; }

#
# The NAT
#

# The configuration that most tests use; more can be appended to it. $pool: pool of wan0.
config_default() {
	cat <<-END
	interfaces:
	  - name: wan0
	    role: outside${pool:+
	    pool: [$pool]}
	  - {name: lan0, role: inside}
	  - {name: lan1, role: inside}
	capacity: {sessions: 16384, hosts: 1024}
	END
}

# nat_start [FILE]: with this configuration, or the default one.
nat_start() {
	case $NAT in
	keepnat)
		[ $# = 1 ] || config_default >"$work/default.yaml"
		daemon_start "${1:-$work/default.yaml}"
		;;
	nft)
		in_ns r sysctl -qw net.ipv4.ip_forward=1 && in_ns r nft 'table ip n {
			chain c { type nat hook postrouting priority 100; oifname "wan*" masquerade; }; }'
		;;
	none) in_ns r sysctl -qw net.ipv4.ip_forward=1 ;;
	esac
}

# daemon_start FILE: keepnatd in r, until it says that it is ready, or why not.
daemon_start() {
	accelerate_set "$1"
	: >"$work/daemon" # its predecessor was ready, too
	nsenter --net="/run/netns/$kn-r" "$keepnatd" --config "$1" "${where[@]}" --state-dir "$work/state" \
		--pin-dir "$pins" 2>"$work/daemon" &
	daemon=$!
	wait_for "$(patience 30)" daemon_has_decided
	grep -qw ready "$work/daemon" && return
	note "keepnatd did not start:" "$(tail -n 20 "$work/daemon")"
	return 1
}

# Each interface of a configuration that says nothing of it, by $ACCELERATE.
accelerate_set() {	# FILE
	[ -n "${ACCELERATE:-}" ] && ! grep -q accelerate "$1" || return 0
	if grep -q '^nat:' "$1"; then
		sed -i "s/^nat: *{/nat: {accelerate: $ACCELERATE, /; s/^nat: *\$/nat:\n  accelerate: $ACCELERATE/" "$1"
	else
		echo "nat: {accelerate: $ACCELERATE}" >>"$1"
	fi
}

daemon_has_decided() { grep -qw ready "$work/daemon" || is_gone "$daemon"; }

# Cleanly: the status is the daemon's.
nat_stop() {
	local status=0 pid=$daemon
	[ -n "$pid" ] || return 0
	kill "$pid"
	wait_for "$(patience 20)" is_gone "$pid" || { note "keepnatd does not stop"; kill -9 "$pid"; }
	wait "$pid" || status=$?
	daemon=
	return $status
}

# The next daemon shall know nothing of the last one's sessions.
nat_forget() { rm -rf "$work/state"; }

nat_crash() { # SIGKILL
	kill -9 "$daemon"
	wait "$daemon" 2>/dev/null
	daemon=
}

keepnat() { "$KEEPNAT_BUILD/cli/keepnat" "${where[@]}" "$@"; }

# The objects of a listing one a line, wherever in the answer the list stands.
list() { keepnat --json "$@" | jq -c '.. | objects | select(has("inside_address") or has("reason"))'; }

# "tcp 10.0.0.11 5000 198.51.100.2 5000" for each mapping.
mappings() {
	keepnat --json mappings | jq -r '.. | objects | select(has("outside_port")) |
		"\(.protocol | tostring | ascii_downcase) \(.inside_address) \(.inside_port) \(.outside_address) \(.outside_port)"'
}

# reason NAME: packets that ended so, over all interfaces.
reason() {
	keepnat --json reasons | jq "[.. | objects | select((.reason? // .name?) == \"$1\") | .packets] | add // 0"
}

# What a clean stop, and a start that failed, must leave as it was.
state_of_router() {
	hooks
	in_ns r sh -c 'ip link show; ip -4 addr show; ip rule show; ip -4 route show table all; tc qdisc show; nft list ruleset
		sysctl -a 2>/dev/null | grep -E "^net\.(ipv4|core|netfilter)\." | grep -vE "fastopen_key|inode|random|count|conntrack_(max|buckets)"'
	find "$pins" "$work/run" -name '*.sock' -o -path "$pins/*" 2>/dev/null | sort
}

# The BPF programs at the devices of r: "wan0 tcx/egress 1".
hooks() { in_ns r /usr/bin/python3 -B "$KEEPNAT_SOURCE/tests/smoke/net.py" hooks lan0 lan1 wan0; }

#
# Servers. Each is listening when its function returns.
#

# is_listening tcp|udp PORT: in the machine of the process that was started last.
is_listening() {
	local state=07 port file line
	[ "$1" = udp ] || state=0A
	printf -v port %04X "$2"
	for file in "/proc/$child/net/$1" "/proc/$child/net/${1}6"; do
		while read -r -a line; do	# number, local address, remote address, state
			[ "${line[3]}" != $state ] || [ "${line[1]##*:}" != "$port" ] || return 0
		done <"$file"
	done
	return 1
}

listening() { wait_for "$(patience 15)" is_listening "$@"; }

# A web server that says who asks, sends and takes any number of bytes (net.py).
web_start() {	# MACHINE [PORT]
	background "web-$1" "$1" /usr/bin/python3 -B "$KEEPNAT_SOURCE/tests/smoke/net.py" web "${2:-80}"
	listening tcp "${2:-80}"
}

dns_start() {	# MACHINE ADDRESS: knows www.example.net
	background "dns-$1" "$1" dnsmasq --no-daemon --conf-file=/dev/null --no-resolv --no-hosts --user=root --pid-file= \
		--listen-address="$2" --bind-interfaces --address=/www.example.net/203.0.113.80
	listening udp 53
}

iperf_start() {	# MACHINE
	background "iperf-$1" "$1" iperf3 -s
	listening tcp 5201
}

# Who does the web server see? "ADDRESS PORT"
seen_by_web() { in_ns "$1" curl -sS --max-time "$(patience 10)" "${@:3}" "http://$2/"; }

#
# Checks
#

# Results that another program wrote to a file: "ok NAME", "not ok NAME", and "# " before what is for people.
tap_take() {	# FILE
	local line
	while read -r line; do
		case $line in
		'ok '*) tap_result ok "${line#ok }" ;;
		'not ok '*) tap_result "not ok" "${line#not ok }" ;;
		*) note "${line#\# }" ;;
		esac
	done <"$1"
}

# Python that holds sockets in several machines at once (net.py), read from standard input.
python_checks() {
	local status
	{ echo 'from net import *'; cat; } >"$work/checks.py"
	PYTHONPATH=$KEEPNAT_SOURCE/tests/smoke /usr/bin/python3 -B "$work/checks.py" \
		>"$work/checks" 2>"$work/checks.err"
	status=$?
	tap_take "$work/checks"
	[ $status = 0 ] || {
		tap_result "not ok" "the script runs to its end"
		note "$(tail -n 20 "$work/checks.err")"
	}
}

# What must not be seen outside: an inside source, in the IP header, in an ARP request, or as the destination of the
# packet that an ICMP error quotes. One datagram to port 9 ends the capture: it shows that the capture saw all before.
leaks_watch() {
	background leaks s1 tcpdump -i isp0 -Q in -n -l --immediate-mode "(src net 10.0.0.0/8) or \
		(icmp and (icmp[0] = 3 or icmp[0] = 11 or icmp[0] = 12) and icmp[24] = 10) or (dst host 198.51.100.1 and udp dst port 9)"
	leaks=$child
	wait_for "$(patience 15)" grep -q 'listening on' "$work/leaks"
}

leaks_check() {
	leaks_end
	check "the capture outside was awake to the end" leaks_end_is_seen
	is "no packet with an inside source was seen outside" "$(leaks_list)" ''
}

leaks_end() {
	in_ns r bash -c 'echo -n end >/dev/udp/198.51.100.1/9'
	wait_for "$(patience 10)" leaks_end_is_seen
}

leaks_end_is_seen() { grep -q '\.9: UDP, length 3$' "$work/leaks"; }
leaks_list() { grep -E ' (IP|ARP)' "$work/leaks" | grep -v '\.9: UDP, length 3$'; }

# What each test ends with.
smoke_done() {
	[ -z "$leaks" ] || leaks_check
	if [ -n "$daemon" ]; then
		is "no internal check failed" "$(reason internal)" 0
		check "keepnatd stops cleanly" nat_stop
	fi
	tap_done
}
