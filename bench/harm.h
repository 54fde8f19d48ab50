/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * harm.h - what became of known flows: each is used once, and those that were lost or have moved are counted.
 */
#pragma once
#include <linux/types.h>

struct bench;

/* What the worst pass over all flows saw: one bad reset among many must show. */
struct harm {
	double lost;  /* packets that did not arrive as they should */
	double moved; /* flows that the far end sees at another outside endpoint than before */
};

/* Uses each of candidate i's first `flows` flows, a power of two, from outside, or from inside. */
int harm_in(struct bench *bench, int i, __u32 flows, struct harm *harm);
int harm_out(struct bench *bench, int i, __u32 flows, struct harm *harm);
