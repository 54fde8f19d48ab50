#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# outside.sh [--nft] [KIND...] - real traffic through the NAT, over each kind of outside interface that kernels offer:
# vlan, bond, ppp (PPPoE), wireguard, and plain Ethernet when named. Prints TAP. A kind that this kernel lacks is
# skipped.
#
#	  host ns          router ns                    server ns
#	10.0.0.2, .3 --- lan0  NAT  198.51.100.2 ====== 198.51.100.1; 203.0.113.1 and .2 behind it
#	                                         (KIND)
#
# The server has no route back to 10.0.0.0/8 and counts what it sees of it: only what was translated is answered.
# --nft: nftables masquerade in keepnat's place, to tell a fault of this test from one of ours; what only keepnat
# does is left out then. --none: neither, and nearly everything must fail.
set -u
KEEPNAT_SOURCE=${KEEPNAT_SOURCE:-$(dirname "$(realpath "$0")")/../..}
KEEPNAT_BUILD=${KEEPNAT_BUILD:-$KEEPNAT_SOURCE/build}
# shellcheck source=tests/tap.sh
. "$KEEPNAT_SOURCE/tests/tap.sh"

probe="/usr/bin/python3 $KEEPNAT_SOURCE/tests/kernels/probe.py"
pppoe=$KEEPNAT_BUILD/tests/kernels/pppoe
p=kn$$
work=$(mktemp -d)
pids=
daemon=
nat=keepnat
session=77
bulk=3000000
hook=tcx
printf '6.6\n%s\n' "$(uname -r)" | sort -V -C || hook=clsact

# In the network namespace of host, router or server, without a new /sys (which would hide what is pinned). What runs in
# the background goes without this function: its number must be the program's, not that of a shell in between.
in_ns() {
	where=$p-$1
	shift
	nsenter --net="/run/netns/$where" "$@"
}

end() {	# PID...: end these and wait for them
	for pid; do kill "$pid" 2>/dev/null; done
	for pid; do wait "$pid" 2>/dev/null; done
}

# Everything in the namespaces goes with them; processes of ours are ended by number.
tear_down() {
	# shellcheck disable=SC2086
	end $daemon $pids
	daemon=
	pids=
	for name in host router server; do ip netns del "$p-$name" 2>/dev/null; done
	rm -rf "/sys/fs/bpf/$p"
}
trap 'tear_down; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# The three machines. wan0 and isp0 are the wire that each kind of outside interface is laid over.
set_up_machines() {
	for name in host router server; do
		ip netns add "$p-$name" && in_ns $name ip link set lo up || return
	done
	ip link add eth0 netns "$p-host" type veth peer name lan0 netns "$p-router" &&
	ip link add wan0 netns "$p-router" type veth peer name isp0 netns "$p-server" &&
	in_ns host ip addr add 10.0.0.2/24 dev eth0 && in_ns host ip addr add 10.0.0.3/24 dev eth0 &&
	in_ns host ip link set eth0 up && in_ns router ip addr add 10.0.0.1/24 dev lan0 &&
	in_ns router ip link set lan0 up && in_ns host ip route add default via 10.0.0.1 &&
	in_ns router ip link set wan0 up && in_ns server ip link set isp0 up &&
	in_ns server ip addr add 203.0.113.1/32 dev lo && in_ns server ip addr add 203.0.113.2/32 dev lo &&
	in_ns server nft -f - <<-END
	table ip leaks {
		chain c {
			type filter hook prerouting priority -300
			ip saddr 10.0.0.0/8 counter drop
		}
	}
	END
}

mac_of() { in_ns "$1" ip -o link show "$2" | sed 's/.*ether \([0-9a-f:]*\).*/\1/'; }

# Each start_KIND makes the device in router and server and leaves their names in $out and $peer.
start_plain() { out=wan0 peer=isp0; }

start_vlan() {
	out=wan0.7 peer=isp0.7
	in_ns router ip link add link wan0 name $out type vlan id 7 && in_ns server ip link add link isp0 name $peer type vlan id 7
}

start_bond() {
	out=bond0 peer=isp0
	in_ns router ip link add bond0 type bond mode active-backup miimon 100 &&
	in_ns router ip link set wan0 down && in_ns router ip link set wan0 master bond0 && in_ns router ip link set bond0 up
}

start_ppp() {
	out=ppp0 peer=ppp0
	[ -e /dev/ppp ] || modprobe pppoe || return
	start_ppp_end router wan0 "$(mac_of server isp0)" && start_ppp_end server isp0 "$(mac_of router wan0)"
}

start_ppp_end() {	# NAMESPACE DEVICE PEER-MAC
	nsenter --net="/run/netns/$p-$1" "$pppoe" "$2" $session "$3" >"$work/ppp-$1" &
	pids="$pids $!"
	eval "ppp_$1=$!"
	wait_for 20 grep -q ppp0 "$work/ppp-$1" && in_ns "$1" ip link set ppp0 mtu 1492
}

start_wireguard() {
	out=wg0 peer=wg0
	command -v wg >/dev/null || return
	for name in router server; do
		wg genkey | tee "$work/$name.key" | wg pubkey >"$work/$name.pub"
	done
	in_ns router ip addr add 192.0.2.2/24 dev wan0 && in_ns server ip addr add 192.0.2.1/24 dev isp0 &&
	in_ns router ip link add wg0 type wireguard && in_ns server ip link add wg0 type wireguard &&
	in_ns server wg set wg0 listen-port 51820 private-key "$work/server.key" \
		peer "$(cat "$work/router.pub")" allowed-ips 0.0.0.0/0 &&
	in_ns router wg set wg0 private-key "$work/router.key" \
		peer "$(cat "$work/server.pub")" allowed-ips 0.0.0.0/0 endpoint 192.0.2.1:51820
}

# Addresses and routes on the outside interface, as PPP or DHCP would bring them.
address_outside() {
	in_ns router ip addr add 198.51.100.2/24 dev "$out" && in_ns server ip addr add 198.51.100.1/24 dev "$peer" &&
	in_ns router ip link set "$out" up && in_ns server ip link set "$peer" up &&
	in_ns router ip route add default via 198.51.100.1 dev "$out"
}

start_nat() {
	case $nat in
	nft) start_nft ;;
	keepnat) start_keepnat ;;
	none) in_ns router sysctl -qw net.ipv4.ip_forward=1 ;;
	esac
}

start_nft() {
	in_ns router sysctl -qw net.ipv4.ip_forward=1 && in_ns router nft -f - <<-END
	table ip n {
		chain c {
			type nat hook postrouting priority 100
			oifname "$out" masquerade
		}
	}
	END
}

keepnat_paths="--instance $p --run-dir $work/run"

start_keepnat() {
	cat >"$work/keepnat.yaml" <<-END
	interfaces:
	  - name: $out
	    role: outside
	  - name: lan0
	    role: inside
	capacity: {sessions: 16384, hosts: 1024}
	END
	# shellcheck disable=SC2086
	nsenter --net="/run/netns/$p-router" "$KEEPNAT_BUILD/daemon/keepnatd" --config "$work/keepnat.yaml" $keepnat_paths --state-dir "$work/state" \
		--pin-dir "/sys/fs/bpf/$p" 2>"$work/daemon" &
	daemon=$!
	wait_for 60 keepnat_has_said_something && grep -q '\bready\b' "$work/daemon"
}

# Ready, or gone: either way there is no more to wait for.
keepnat_has_said_something() {
	grep -q '\bready\b' "$work/daemon" || ! kill -0 "$daemon" 2>/dev/null
}

keepnat() {
	# shellcheck disable=SC2086
	"$KEEPNAT_BUILD/cli/keepnat" $keepnat_paths --json "$@"
}

start_server() {
	# shellcheck disable=SC2086
	nsenter --net="/run/netns/$p-server" $probe serve 203.0.113.1 203.0.113.2 >"$work/serve" &
	pids="$pids $!"
	wait_for 30 grep -q serving "$work/serve"
}

# shellcheck disable=SC2086
udp_from() { in_ns host $probe udp "$@" 2>&1; }
get() { in_ns host curl -s -S --max-time 40 "$@" 2>&1; }

test_reach() {
	check "$kind: ping is answered" in_ns host ping -c 3 -i 0.2 -W 10 203.0.113.1 || return
	like "$kind: TCP arrives from the outside address" "$(get http://203.0.113.1:8080/)" '^198\.51\.100\.2 [0-9]+$'
	first=$(udp_from 10.0.0.2 5000 203.0.113.1 203.0.113.2)
	is "$kind: UDP keeps its port, the same for two servers" "$first" "$(printf '198.51.100.2 5000\n198.51.100.2 5000')"
	second=$(udp_from 10.0.0.3 5000 203.0.113.1)
	like "$kind: a second host with that port gets another" "$second" '^198\.51\.100\.2 [0-9]+$'
	check "$kind: and not the same" test "$second" != "198.51.100.2 5000"
}

test_errors() {
	# shellcheck disable=SC2086
	check "$kind: ICMP port unreachable comes back to the sender" in_ns host $probe refused 203.0.113.1 9
	mtu=$(in_ns router ip -o link show "$out" | sed 's/.* mtu \([0-9]*\).*/\1/')
	if [ "$mtu" -lt 1500 ]; then
		like "$kind: a packet too big for it is told the MTU" \
			"$(in_ns host ping -M "do" -s 1472 -c 1 -W 5 203.0.113.2 2>&1)" "mtu = $mtu"
	fi
	:
}

test_bulk() {
	# shellcheck disable=SC2086
	$probe bytes $bulk >"$work/bytes"
	sum=$(sha256sum <"$work/bytes" | cut -d ' ' -f 1)
	is "$kind: $bulk bytes down, unharmed" "$(get http://203.0.113.1:8080/$bulk | sha256sum | cut -d ' ' -f 1)" "$sum"
	like "$kind: $bulk bytes up, unharmed" "$(get -T "$work/bytes" http://203.0.113.1:8080/)" " $sum\$"
	check "$kind: fragments pass" in_ns host ping -s 4000 -c 2 -i 0.2 -W 10 203.0.113.1
}

# By clsact before Linux 6.6, by TCX since.
test_hooks() {
	hooks=$(in_ns router bpftool net list)
	like "$kind: attached at egress of $out" "$hooks" "^$out\\([0-9]+\\) $hook/egress "
	like "$kind: attached at ingress of $out" "$hooks" "^$out\\([0-9]+\\) $hook/ingress "
	like "$kind: attached at ingress of lan0" "$hooks" "^lan0\\([0-9]+\\) $hook/ingress "
}

test_sessions() {
	for filter in "UDP 10.0.0.2 5000 198.51.100.2 5000" "UDP 10.0.0.3 5000 $second"; do
		like "$kind: mapping listed: $filter" "$(list_mappings)" "^$filter\$"
	done
}

# "PROTOCOL INSIDE PORT OUTSIDE PORT" of each mapping, wherever in the answer the list is.
list_mappings() {
	keepnat mappings | jq -r '.. | objects | select(has("outside_port")) |
		"\(.protocol | tostring | ascii_upcase) \(.inside_address) \(.inside_port) \(.outside_address) \(.outside_port)"'
}

# A redial: the session ends on both sides, its devices go, new ones come. What each endpoint had outside, it keeps.
test_redial() {
	# shellcheck disable=SC2154
	end "$ppp_router" "$ppp_server"
	check "ppp: the device goes when the session ends" wait_for 20 device_is_gone
	session=$((session + 1))
	check "ppp: it comes back" redial
	check "ppp: traffic flows after the redial" wait_for 30 in_ns host ping -c 1 -W 1 203.0.113.1
	is "ppp: first host keeps its outside port" "$(udp_from 10.0.0.2 5000 203.0.113.2)" "198.51.100.2 5000"
	is "ppp: second host keeps its outside port" "$(udp_from 10.0.0.3 5000 203.0.113.2)" "$second"
}

# The address goes while the device stays; while it is away nothing gets out; then it is back, and so is what each had.
test_readdress() {
	check "ppp: the address goes" in_ns router ip addr flush dev "$out"
	check_fails "ppp: without an address no ping is answered" in_ns host ping -c 2 -i 0.2 -W 2 203.0.113.1
	check "ppp: the address comes back" return_address
	check "ppp: traffic flows again" wait_for 30 in_ns host ping -c 1 -W 1 203.0.113.1
	is "ppp: with its outside port" "$(udp_from 10.0.0.3 5000 203.0.113.2)" "$second"
}

return_address() {
	in_ns router ip addr add 198.51.100.2/24 dev "$out" && in_ns router ip route replace default via 198.51.100.1 dev "$out"
}

device_is_gone() { ! in_ns router ip link show "$out"; }
redial() { start_ppp && address_outside; }

test_stop() {
	kill "$daemon"
	check "$kind: keepnatd stops cleanly" wait "$daemon"
	daemon=
}

run_kind() {
	tear_down
	if ! set_up_machines; then
		tap_result "not ok" "$kind: namespaces"
		return
	fi
	if ! "start_$kind" >"$tap_output" 2>&1; then
		skip "$kind" "not on this kernel: $(tail -n 1 "$tap_output")"
		return
	fi
	check "$kind: addresses" address_outside || return
	check "$kind: server" start_server || return
	if ! check "$kind: NAT ($nat) starts with outside interface $out" start_nat; then
		note "$(tail -n 20 "$work/daemon" 2>/dev/null)"
		return
	fi
	[ $nat != keepnat ] || test_hooks
	test_reach && test_errors && test_bulk	# without the first, the others would only wait in vain
	[ $nat != keepnat ] || test_sessions
	if [ "$nat" = keepnat ] && [ "$kind" = ppp ]; then
		test_redial
		test_readdress
	fi
	like "$kind: nothing left untranslated" "$(in_ns server nft list table ip leaks)" 'counter packets 0 bytes 0'
	[ $nat != keepnat ] || test_stop
}

kinds=
for word; do
	case $word in
	--nft) nat=nft ;;
	--none) nat=none ;;
	*) kinds="$kinds $word" ;;
	esac
done
for kind in ${kinds:-vlan bond ppp wireguard}; do
	begin=$(date +%s)
	run_kind
	note "$kind took $(($(date +%s) - begin)) s"
done
tap_done
