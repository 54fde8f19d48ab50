/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fault.h - FAULT(name): a place of faults.def, where a test may end the process.
 *
 * It is nothing, and costs nothing, but in the one program that is built with KEEPNAT_FAULTS for tests/smoke/faults.test; that is not
 * installed. There a file that KEEPNAT_FAULTS names in the environment is shared memory with the test, the board: which place is
 * armed, and how often each was come by. The place disarms itself before it ends the process, since the next one has the
 * same board.
 */
#pragma once
#include <linux/types.h>

enum fault {
#define FAULT_DEF(name, by, what) FAULT_##name,
#include "native/faults.def"
#undef FAULT_DEF
	FAULTS
};

enum fault_how { FAULT_KILL, FAULT_SEGV, FAULT_ABORT, FAULT_BUS, FAULT_OVERFLOW, FAULT_OOM, FAULT_HOWS };

struct fault_board {
	__u32 armed; /* the place and one more; 0: none */
	__u32 count; /* it ends the process when it is come by for so many times */
	__u32 how;   /* enum fault_how */
	__u32 reached[FAULTS];
};

#ifdef KEEPNAT_FAULTS
void fault_reached(enum fault fault);

/* The place that is called prefix and name; one that is in no list ends the process. */
void fault_reached_named(const char *prefix, const char *name);

#define FAULT(name) fault_reached(FAULT_##name)
#define FAULT_NAMED(prefix, name) fault_reached_named((prefix), (name))
#else
#define FAULT(name) ((void)0)
#define FAULT_NAMED(prefix, name) ((void)0)
#endif
