# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=sh
#
# guest.sh - what debian.test and verifier.test share: Debian's own kernel in qemu, and one TAP stream of what ran there.
#
#	. "$(dirname "$0")/guest.sh"
#	guest_kernel		the kernel's folder is in $kernel, or the whole test is skipped
#	guest SECONDS NAME PART...	these parts of inside.sh in a guest; output and files: kernels/NAME* in the build
#	guest_tap NAME...	their TAP
KEEPNAT_SOURCE=${KEEPNAT_SOURCE:-$(realpath "$(dirname "$0")/../..")}
KEEPNAT_BUILD=$(realpath "${KEEPNAT_BUILD:-$KEEPNAT_SOURCE/${BUILD:-build}}")
export KEEPNAT_SOURCE KEEPNAT_BUILD
PATH=$PATH:/usr/sbin:/sbin
here=$KEEPNAT_SOURCE/tests/kernels
kept=$KEEPNAT_BUILD/kernels
emulator=
mkdir -p "$kept"

trap '[ -z "$emulator" ] || kill "$emulator" 2>/dev/null' EXIT
trap 'exit 130' INT TERM HUP

skip_all() {
	echo "1..0 # SKIP $*"
	exit 0
}

guest_kernel() {
	[ "$(uname -m)" = x86_64 ] || skip_all "the guest runs the programs of an amd64 machine"
	for tool in qemu-system-x86_64 busybox cpio modprobe; do
		command -v $tool >/dev/null || skip_all "no $tool: needs the packages qemu-system-x86 busybox-static cpio kmod"
	done
	kernel=$("$here/fetch-kernel.sh" "$kept/cache" 2>"$kept/fetch.log") || skip_all "$(tail -n 1 "$kept/fetch.log")"
	sed 's/^/# /' "$kept/fetch.log"
}

# Without the defences against speculation, whose indirect jumps are dear in emulation.
guest() {
	limit=$1 name=$2
	shift 2
	rm -rf "${kept:?}/$name"
	OUT=$kept/$name CONSOLE=$kept/$name.console TIMEOUT=$limit MEM=3072 APPEND=mitigations=off \
		"$here/run-in-kernel.sh" "$kernel" \
		/usr/bin/env KEEPNAT_SOURCE="$KEEPNAT_SOURCE" KEEPNAT_BUILD="$KEEPNAT_BUILD" "$here/inside.sh" "$@" \
		>"$kept/$name.log" 2>&1 &
	emulator=$!
	wait $emulator
	emulator=
}

# The status is that of the cases.
guest_tap() {
	for name; do
		echo "@machine"
		cat "$kept/$name.log"
	done | awk -f "$here/flatten.awk" >"$kept/$1.tap"
	cat "$kept/$1.tap"
	! grep -q '^not ok' "$kept/$1.tap"
}
