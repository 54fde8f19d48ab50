#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run-in-kernel.sh KERNEL_DIR PROGRAM [ARGS...] - run PROGRAM as root under another kernel, in qemu; no KVM needed.
#
# KERNEL_DIR  where a kernel package was unpacked, with its module index (fetch-kernel.sh does both)
# PROGRAM     any executable of this machine. The guest sees this machine's file system at the same paths, read-only
#             underneath and writable in memory above: what it writes is lost, except below $OUT (same path in both).
# The program's output is our standard output and its exit status is ours. 124: timed out; 125: the guest died before
# it could say. Timing means little in software emulation: count there, do not measure.
#
# Environment: OUT (folder to share, default a temporary one), TIMEOUT (s, 300), MEM (MiB, 2048), CPUS (2),
#              CONSOLE (file for the kernel's messages, default none kept), APPEND (more kernel parameters).
# Needs the packages qemu-system-x86 busybox-static cpio kmod.
set -eu
[ $# -ge 2 ] || { sed -n '3,13s/^# \{0,1\}//p' "$0" >&2; exit 2; }

fail() { echo "run-in-kernel: $*" >&2; exit 2; }

for tool in qemu-system-x86_64 busybox cpio modprobe; do
	command -v "$tool" > /dev/null || fail "no $tool: install qemu-system-x86 busybox-static cpio kmod"
done
kernel=$(realpath "$1")
program=$(realpath "$2")
shift 2
version=$(ls "$kernel/lib/modules")
[ "$(echo "$version" | wc -l)" = 1 ] || fail "want exactly one kernel in $kernel"
[ -s "$kernel/lib/modules/$version/modules.dep" ] || fail "no module index: depmod -b $kernel $version"

work=$(mktemp -d)
emulator=
# shellcheck disable=SC2317 # called by the trap
clean_up() {
	[ -z "$emulator" ] || kill "$emulator" 2> /dev/null || true
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

out=${OUT:-$work/out}
mkdir -p "$out"
out=$(realpath "$out")
rm -f "$out/.status"
console=${CONSOLE:-$work/console}

# Words for a shell that will read them again.
quote() {
	for word; do printf "'%s' " "$(printf %s "$word" | sed "s/'/'\\\\''/g")"; done
}

# The modules that the root file system needs, each after those that it depends on.
list_modules() {
	for name in virtio_pci virtio_console 9pnet_virtio 9p overlay; do
		modprobe -d "$kernel" -S "$version" --show-depends "$name"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# Lays out the first file system: a shell, those modules, and /init, which puts this machine's files under the guest.
make_initrd() {
	root=$work/initrd.d
	for dir in bin modules proc sys dev low rw root out; do mkdir -p "$root/$dir"; done
	cp "$(command -v busybox)" "$root/bin/busybox"
	list_modules > "$work/modules"
	while read -r file; do
		cp "$file" "$root/modules/"
		echo "insmod /modules/${file##*/}"
	done < "$work/modules" > "$work/insmods"
	write_init "$@" > "$root/init"
	chmod +x "$root/init"
	(cd "$root" && find . | cpio -o -H newc --quiet) > "$work/initrd"
}

# The program runs under process 1, which shares its root with the kernel's own threads: so request_module() finds
# modprobe and the modules. Its output goes through a virtio port and not the console, which would add carriage returns.
write_init() {
	cat <<-END
	#!/bin/busybox sh
	/bin/busybox --install -s /bin
	export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
	OUT=$(quote "$out") MODULES=$(quote "$kernel/lib/modules")
	mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
	$(cat "$work/insmods")
	plan9=trans=virtio,version=9p2000.L,msize=524288
	mount -t 9p -o \$plan9,cache=loose,ro low /low
	mount -t 9p -o \$plan9,cache=none out /out
	mount -t tmpfs rw /rw; mkdir /rw/up /rw/work
	mount -t overlay -o lowerdir=/low,upperdir=/rw/up,workdir=/rw/work over /root
	for d in proc sys dev; do mount --move /\$d /root/\$d; done
	cd /root
	mkdir -p dev/pts dev/shm
	mount -t devpts pts dev/pts; mount -t tmpfs shm dev/shm; mount -t tmpfs run run
	mkdir -p run/lock run/netns ".\$OUT" lib/modules
	ln -sf /proc/self/fd dev/fd; ln -sf /proc/self/fd/0 dev/stdin
	ln -sf /proc/self/fd/1 dev/stdout; ln -sf /proc/self/fd/2 dev/stderr
	mount -t bpf bpf sys/fs/bpf; mount -t cgroup2 cg sys/fs/cgroup; mount -t tracefs tr sys/kernel/tracing
	mount --bind "/low\$MODULES" lib/modules
	mount --move /out ".\$OUT"
	ip link set lo up; hostname guest
	port=
	while [ ! -c "\$port" ]; do for n in sys/class/virtio-ports/*; do port=dev/\${n##*/}; done; done
	export port
	exec chroot . /bin/sh -c 'cd "\$1" || cd /; export OUT="\$2"; shift 2; port=/\$port
		"\$@" > "\$port" 2>&1 < /dev/null
		echo \$? > "\$OUT/.status"; sync; echo o > /proc/sysrq-trigger; sleep 9' \\
		sh $(quote "$PWD" "$out" "$program" "$@")
	END
}

# Standard input is a pipe that never ends: at an end of file qemu would close the port that carries the output.
run_guest() {
	mkfifo "$work/in"
	timeout -k 5 "${TIMEOUT:-300}" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -M q35 -m "${MEM:-2048}" \
		-smp "${CPUS:-2}" -nodefaults -no-user-config -display none -no-reboot \
		-kernel "$kernel/boot/vmlinuz-$version" -initrd "$work/initrd" \
		-append "console=ttyS0 quiet panic=-1 ${APPEND:-}" -serial file:"$console" \
		-chardev stdio,id=o,signal=off -device virtio-serial-pci -device virtserialport,chardev=o,name=out \
		-virtfs local,path=/,mount_tag=low,security_model=none,multidevs=remap,readonly=on \
		-virtfs local,path="$out",mount_tag=out,security_model=none 0<> "$work/in" &
	emulator=$!
	wait "$emulator" || return
}

make_initrd "$@"
rc=0
run_guest || rc=$?
emulator=
if [ -s "$out/.status" ]; then
	rc=$(cat "$out/.status")
	rm -f "$out/.status"
elif [ "$rc" != 124 ]; then
	tail -n 30 "$console" >&2
	rc=125
fi
exit "$rc"
