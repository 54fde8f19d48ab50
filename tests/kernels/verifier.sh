#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# verifier.sh - what each BPF program costs the verifier of the running kernel (verifier-stats.c says what the columns
# are), in the shapes that the daemon loads it in. Fails if one does not load or costs much more than half of what a kernel
# allows: what is near the limit on one kernel or compiler is beyond it on the next. (hairpin_ethernet is at 505000 on 6.1, since
# packets and errors may have call ids.)
set -u
budget=520000

for object in keepnat all; do
	"${KEEPNAT_BUILD:?}/tests/kernels/verifier-stats" -b $budget "$KEEPNAT_BUILD/bpf/$object.bpf.o" || exit
done
