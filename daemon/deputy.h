/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * deputy.h - the few things that take CAP_SYS_ADMIN are done by a process of their own, so that the worker need not keep it.
 *
 * The worker forks it at the start, when arrays and programs are there, and before it gives up privileges (privileges.h). The
 * deputy has the arrays in its memory, too, and nothing else of the worker's: it closes all other descriptors, locks among them. It
 * takes orders of a fixed form, one after the other, and has no other way in. It ends with the worker, and the worker with it:
 * a half of the two would be worse than none.
 */
#pragma once
#include <stdbool.h>

#include "core/types.h"

struct keepnat;

enum deputy_task {
	DEPUTY_DEFRAG,	    /* the namespace for fragments, anew: 0 or -errno */
	DEPUTY_DEFRAG_DROP, /* take it away: 0 */
	DEPUTY_OWNER,	    /* whose is the program of this number: as loader_program_owner() */
};

/* 0 and k->deputy, or -errno after a line. */
int deputy_start(struct keepnat *k);

/* It ends. */
void deputy_stop(struct keepnat *k, bool leave);

/* Have it done, and wait. What the task gives; -EPIPE: the deputy is gone. The main thread's. */
int deputy_ask(const struct keepnat *k, enum deputy_task task, u32 number);

/* Becomes readable when the deputy ended by itself. */
int deputy_fd(const struct keepnat *k);
