#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# packaging/deb.sh DIR - build the Debian package of this tree into DIR, ask lintian, and write the release manifest beside it. The version
# is meson.build's. The tree itself is only read.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "$1"
out=$(readlink -f "$1")
version=$(sed -n "s/^\tversion: '\(.*\)',/\1/p" meson.build)
when=$(git log -1 --format=%cD 2>/dev/null || date -R -r CHANGELOG.md)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/keepnat"
tar -c --exclude=./.git --exclude='./build*' --exclude=./.cache . | tar -x -C "$work/keepnat"
cp -r packaging/debian "$work/keepnat/debian"
cat >"$work/keepnat/debian/changelog" <<END
keepnat ($version) unstable; urgency=medium

  * See CHANGELOG.md.

 -- keepnat maintainers <maintainers@keepnat.invalid>  $when
END
# What is built with is checked by ./run already, by the same list.
if ! (cd "$work/keepnat" && DEB_BUILD_OPTIONS="noautodbgsym parallel=$(nproc)" dpkg-buildpackage -b -us -uc -d) \
	>"$out/build.log" 2>&1; then
	tail -n 30 "$out/build.log" >&2
	echo "deb: dpkg-buildpackage failed; all of it: $out/build.log" >&2
	exit 1
fi
rm -f "$out"/keepnat_*.deb "$out"/keepnat_*.manifest
cp "$work"/keepnat_*.deb "$out"
deb=$(basename "$work"/keepnat_*.deb)
# Of the package, not of the files around it: who uploads to Debian makes those anew.
lintian --allow-root --fail-on error,warning --tag-display-limit 0 "$out/$deb"

# File, version, size, date, platform and SHA-256, of the package and of the programs in it.
platform="linux-$(dpkg-deb -f "$out/$deb" Architecture)"
mkdir "$work/root"
dpkg-deb -x "$out/$deb" "$work/root"
row() {	# NAME FILE
	printf '%-40s %-10s %10s %s %-12s %s\n' "$1" "$version" "$(stat -c %s "$2")" "$(date -u -r "$2" +%FT%TZ)" \
		"$platform" "$(sha256sum "$2" | cut -d' ' -f1)"
}
{
	printf '%-40s %-10s %10s %-20s %-12s %s\n' FILE VERSION SIZE DATE PLATFORM SHA-256
	row "$deb" "$out/$deb"
	for program in usr/sbin/keepnatd usr/bin/keepnat usr/libexec/keepnat/keepnat-replay; do
		row "$program" "$work/root/$program"
	done
} >"$out/${deb%.deb}.manifest"
cat "$out/${deb%.deb}.manifest"
