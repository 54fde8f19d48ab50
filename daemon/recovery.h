/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * recovery.h - when the worker is started again after it died, and when no more. Arithmetic alone, for the parent.
 *
 * Crashes count as in a row while no worker between them has run for RECOVERY_STABLE seconds. The first restart of a row is at
 * once, since a lone crash shall cost nobody the control; the second one waits recovery.backoff seconds, each further one twice as long.
 */
#pragma once
#include <stdbool.h>

#include "core/types.h"

struct settings_recovery;

enum {
	RECOVERY_STABLE = 600,	  /* seconds that a worker ran: its end begins a new row */
	RECOVERY_LOOP = 3,	  /* so often the same signature in a row: a loop */
	RECOVERY_DELAY_MAX = 300, /* seconds, unless recovery.backoff is longer */
};

struct recoveries {
	u32 total; /* crashes since the parent began */
	u32 row;
	u32 same; /* of the row, how many at its end have the same signature */
	u64 signature;
};

struct recovery_step {
	bool give_up;
	bool loop;
	u32 delay; /* seconds until the next worker is started */
};

/* A worker that had run for `lived` seconds died. The signature is that of crash.h. */
struct recovery_step recovery_next(struct recoveries *recoveries, const struct settings_recovery *settings,
				   u64 signature, u64 lived);
