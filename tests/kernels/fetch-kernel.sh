#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# fetch-kernel.sh CACHE - have Debian's current kernel unpacked below the folder CACHE, and print where.
#
# Nothing is installed. The package is the one that linux-image-amd64 stands for: the full image, since the cloud one has
# neither 9p, with which the guest sees this machine's files, nor PPPoE. apt checks the download against the signed index.
# A folder appears under its final name only when it is complete, so an interrupted run leaves nothing that looks done.
# Exit 77: the package cannot be had and none is in the cache.
set -eu
[ $# = 1 ] || { sed -n '3,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1"
cache=$(realpath "$1")
meta=linux-image-amd64
wanted="9p.ko 9pnet_virtio.ko overlay.ko virtio_console.ko pppoe.ko 8021q.ko"
# Half of the package: devices that no guest has.
unwanted="sound drivers/gpu drivers/media drivers/scsi drivers/infiniband drivers/usb drivers/iio drivers/net/ethernet
	drivers/net/wireless"

say() { echo "fetch-kernel: $*" >&2; }

# The newest kernel already there serves when the archive does not.
fall_back() {
	old=$(find "$cache" -mindepth 1 -maxdepth 1 -type d -name 'linux-image-*' | sort -V | tail -n 1)
	if [ -z "$old" ]; then
		say "$*"
		say "no kernel in $cache either: connect to a Debian mirror and run apt-get update, or unpack one there yourself"
		exit 77
	fi
	say "$*; using $(basename "$old") from an earlier run"
	echo "$old"
	exit 0
}

# Prints the package behind the meta package, with its version: "linux-image-6.1.0-NN-amd64=6.1.N-N".
find_package() {
	name=$(apt-cache depends "$meta" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
	[ -n "$name" ] || return 0
	version=$(apt-cache policy "$name" | sed -n 's/^ *Candidate: //p')
	[ -z "$version" ] || [ "$version" = "(none)" ] || echo "$name=$version"
}

# An index that is too old names files that the mirror has no longer; hence the second try.
download() {
	(cd "$1" && apt-get -q -o APT::Sandbox::User=root download "$2") > "$1/log" 2>&1
}

package=$(find_package)
if [ -z "$package" ]; then
	apt-get -q update > /dev/null 2>&1 || true
	package=$(find_package)
fi
[ -n "$package" ] || fall_back "apt knows no package $meta"

dir=$cache/$(echo "$package" | tr '=' '_')
if [ ! -d "$dir" ]; then
	tmp=$(mktemp -d "$cache/.new.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 1' INT TERM HUP
	if ! download "$tmp" "$package"; then
		apt-get -q update > /dev/null 2>&1 || true
		package=$(find_package)
		if [ -z "$package" ] || ! download "$tmp" "$package"; then
			fall_back "cannot download $package: $(grep '^E:' "$tmp/log" | head -n 1)"
		fi
	fi
	dir=$cache/$(echo "$package" | tr '=' '_')
	mkdir "$tmp/root"
	dpkg -x "$tmp"/*.deb "$tmp/root"
	for file in $wanted; do
		find "$tmp/root" -name "$file*" | grep -q . || { say "$package has no $file"; exit 1; }
	done
	set -- "$tmp"/root/boot/vmlinuz-*
	[ -s "$1" ] || { say "$package has no kernel in it"; exit 1; }
	rm -rf "$tmp/root/usr"
	# shellcheck disable=SC2086	# a list
	(cd "$tmp"/root/lib/modules/*/kernel && rm -rf $unwanted)
	depmod -b "$tmp/root" "${1##*/vmlinuz-}" # a package that is only unpacked has no module index
	mv "$tmp/root" "$dir"
fi
echo "$dir"
