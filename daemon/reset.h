/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * reset.h - reset an outside interface: one store makes what is older absent to every CPU in the same instant.
 *
 * Nothing waits for it and nothing walks. What it ended is found by the sweep, whose first pass that began after the reset
 * completes the report. Resets that come before that are the same one to the report: they coalesce.
 */
#pragma once
#include <stdbool.h>
#include "core/types.h"

struct keepnat;
struct sweep_counts;

/* What stays. RESET_KEEP_MAPPINGS: addresses and ports; RESET_KEEP_HOSTS: addresses; RESET_KEEP_NONE: neither. */
enum reset_keep { RESET_KEEP_MAPPINGS, RESET_KEEP_HOSTS, RESET_KEEP_NONE };

/* What was older than the reset, as one interface has it: ended by the sweep so far, or met and not ended yet. */
struct reset_ended {
	u64 sessions, mappings, hosts, moved;
};

struct reset_report {
	u64 resets;	      /* of this interface, ever */
	u64 coalesced;	      /* that this report is about; 0: there has been none */
	enum reset_keep keep; /* the least of what these kept */
	bool complete;
	struct reset_ended ended;
	u64 sessions, mappings, hosts; /* live: made since, or kept */
	u64 skipped;		       /* sessions that the pass met and could not end: somebody else did */
};

/* Of all outside interfaces; under keepnat.lock. */
struct resets {
	struct reset_report report[MAX_OUTSIDE];
	struct reset_ended before[MAX_OUTSIDE]; /* what the sweep had ended when the report began */
	u64 wanted[MAX_OUTSIDE];		/* passes after which it is complete */
	u32 recent[MAX_OUTSIDE],
		former[MAX_OUTSIDE]; /* resets since the last pass began, and since the one before */
};

const char *reset_keep_name(enum reset_keep keep);

/* 0 and *keep, or -EINVAL. */
int reset_keep_read(const char *name, enum reset_keep *keep);

/*
 * Reset the outside interface of this number. 0; -EBUSY: so many came within one pass of the sweep that their numbers could
 * come round, try again when it has passed. Takes the lock.
 */
int reset_interface(struct keepnat *k, unsigned int number, enum reset_keep keep);

/* A copy of the report. Takes the lock. */
struct reset_report reset_report_of(struct keepnat *k, unsigned int number);

/* The sweeper's: a pass begins; a pass has ended with these counts. Both are called with the lock held. */
void reset_pass_begins(struct keepnat *k);
void reset_pass_ends(struct keepnat *k, const struct sweep_counts *counts);
