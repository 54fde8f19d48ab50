#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# tools/lint.sh [--tap] [CHECK ...] - hold the house in order; all checks if none is named. Each prints what is wrong
# with file:line. Checks: includes licences paths rfc events headers shell man format cppcheck tidy.
# --tap: print TAP instead (tests/house uses it). --fix format: apply .clang-format.
set -u
cd "$(dirname "$0")/.." || exit
BUILD=${BUILD:-build}
checks=(includes licences paths rfc events headers shell man format cppcheck tidy)
libraries=(libbpf libmnl yaml-0.1 jansson libmicrohttpd libcurl libcap-ng libseccomp libsystemd libpcap cmocka)
warnings=(-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wimplicit-fallthrough)

# Every file that is, or would be, committed. Not asked of git, which need not be there.
files() {
	find . \( -path ./.git -o -path './build*' -o -name .cache -o -name __pycache__ \) -prune -o -type f -print |
		sed 's,^\./,,' | sort
}
c_files() { files | grep -E '\.[ch]$'; }
scripts() { files | while read -r file; do head -n 1 "$file" | grep -aqE '^#!.*\b(ba)?sh\b' && echo "$file"; done; }
flags() { pkg-config --cflags "${libraries[@]}"; }

lint_format() {
	c_files | xargs clang-format "${fix:---dry-run}" -Werror 2>&1 | grep -E '(error|warning):' && return 1
	return 0
}

lint_includes() { c_files | xargs tools/includes.pl; }

# Each header is complete: it compiles alone, in every home it has. -Wconversion is for the core.
lint_headers() {
	local header status=0 bpf
	# A function that the verifier checks by itself must not be static; the seam is defined in bpf/state.h.
	bpf="-target bpf -Wno-missing-prototypes -Wno-undefined-internal -idirafter /usr/include/$(clang -print-multiarch)"
	for header in $(c_files | grep -E '^(core|bpf|native|daemon|cli|bench|tests)/.*\.h$'); do
		case $header in
		core/*)
			compile_header "$header" -Wconversion || status=1
			compile_header "$header" -Wconversion "$bpf" || status=1
			;;
		bpf/*) compile_header "$header" "$bpf" || status=1 ;;
		*) compile_header "$header" "$(flags)" || status=1 ;;
		esac
	done
	return $status
}

compile_header() {	# HEADER FLAGS...
	local header=$1
	shift
	# shellcheck disable=SC2068	# lists of flags
	echo "#include \"$header\"" | clang -x c -std=gnu11 -D_GNU_SOURCE -O2 -fsyntax-only -Werror "${warnings[@]}" \
		-I. -I"$BUILD" -I"$BUILD/bpf" $@ -
}

# The licence line, in the first five lines. Corpora, captures, the licence itself and what others wrote have none.
lint_licences() {
	local file status=0
	while read -r file; do
		head -n 5 "$file" | grep -aq 'SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause' && continue
		echo "$file:1: no line with SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause"
		status=1
	done < <(files | grep -vE '^(LICENSE|third_party/.*|tests/fuzz/corpus/.*|tests/import/samples/.*\.yaml|packaging/debian/(control|copyright|keepnat\.(docs|examples|lintian-overrides)|source/format)|.*\.(pcap|bin|png|md))$')
	return $status
}

# No path of the machine that somebody worked on: nobody's home, nothing from where this tree happens to lie.
lint_paths() {
	local above
	above=$(dirname "$PWD")
	case $above in
	/ | /tmp | /root | /opt | /srv | /mnt | /usr | /usr/src | /usr/local | /usr/local/src | /var/tmp) above= ;;	# everybody's
	*) above="|$above/" ;;
	esac
	! files | grep -vE '^tests/fuzz/corpus/' |
		xargs -d '\n' grep -nIE "(^|[^[:alnum:]_./-])(/home/[[:alnum:]]$above)"
}

# Each test that doc/rfc.md names exists; no row is met without one.
lint_rfc() { tools/rfc.pl; }

# doc/events.md says what daemon/events.def does.
lint_events() { tools/events.pl --check; }

lint_shell() { scripts | xargs -P "$(nproc)" -n 4 shellcheck -x; }

lint_man() {
	local pages
	pages=$(files | grep -E '^man/.*\.[0-9]$') || return 0
	# shellcheck disable=SC2086
	mandoc -T lint -W warning $pages
}

lint_cppcheck() {
	# The BPF programs and the core as they see it are clang's to judge; cppcheck reads the native side. There BOUNDED()
	# (core/env.h) is its argument, so that "x = BOUNDED(x, most)" looks idle: in the two headers that have it.
	# shellcheck disable=SC2046
	cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
		--suppress=missingInclude --suppress=missingIncludeSystem --suppress=unmatchedSuppression \
		--suppress=selfAssignment:core/packet.h --suppress=selfAssignment:core/plan.h \
		--template='{file}:{line}: {severity}: {message} [{id}]' -D_GNU_SOURCE -I. -I"$BUILD" -j 2 \
		--include=tools/cppcheck.h \
		$(c_files | grep -E '^(native|daemon|cli|bench|tests)/.*\.c$' | grep -v '\.bpf\.c$')
}

lint_tidy() {
	[ -e "$BUILD/compile_commands.json" ] || { echo "no $BUILD/compile_commands.json: make first"; return 1; }
	# shellcheck disable=SC2046	# a list
	tools/tidy.pl "$BUILD" $(c_files | grep -E '^(native|daemon|cli|bench|tests)/.*\.c$' | grep -v '\.bpf\.c$')
}

tap='' fix='' count=0 failed=0
while :; do
	case ${1:-} in
	--tap) tap=1 ;;
	--fix) fix=-i ;;
	*) break ;;
	esac
	shift
done
[ $# -gt 0 ] || set -- "${checks[@]}"
for check; do
	declare -F "lint_$check" >/dev/null || { echo "no check '$check': ${checks[*]}" >&2; exit 2; }
	count=$((count + 1))
	if output=$("lint_$check" 2>&1); then
		result=ok
	else
		result='not ok'
		failed=$((failed + 1))
	fi
	if [ -n "$tap" ]; then
		echo "$result $count - $check"
		[ -z "$output" ] || printf '%s\n' "$output" | sed 's/^/# /'
	else
		echo "$check: $result"
		[ -z "$output" ] || printf '%s\n' "$output" | sed 's/^/	/'
	fi
done
[ -z "$tap" ] || echo "1..$count"
[ $failed = 0 ]
