/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * shortage.h - what has run out is said (RFC 6888 REQ-11): in the journal when it begins, and by `keepnat status` as long as it
 * lasts. The data path only counts; this looks at its counters.
 */
#pragma once
#include <stdbool.h>

#include "core/types.h"

struct keepnat;

enum { SHORTAGE_PORTS, SHORTAGE_ROOM, SHORTAGE_SESSIONS, SHORTAGES };
enum { SHORTAGE_QUIET = 60 }; /* seconds without a packet of it: it is over */

/* Of an interface: packets that a shortage has cost so far, when the last one was seen, and whether it is said. */
struct shortage {
	u64 packets;
	u64 seen;
	bool said;
};

struct shortages {
	bool begun; /* the counters are known: they are older than this process */
	struct shortage of[MAX_INTERFACES][SHORTAGES];
};

/* Look at the counters, say what began and take back what is over. now: any clock in seconds. */
void shortages_look(struct keepnat *k, struct shortages *shortages, u64 now);
