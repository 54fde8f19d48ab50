/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* snapshot_tables.h - from the tables to a snapshot, and back. */
#pragma once
#include "daemon/snapshot_file.h"
#include "native/restore.h"

/* Called between slices, with how many slots are done of how many. Not 0: stop. */
typedef int (*snapshot_pause)(void *context, u64 done, u64 of);

/* Everything worth keeping goes to the writer. nat->now is its owner's, who may set it in pause(). True: it was stopped. */
bool snapshot_save(struct nat_instance *nat, struct snapshot_writer *w, snapshot_pause pause, void *context);

/* How many entries of each kind came of it what. */
struct snapshot_outcome {
	u64 of[SAVED_KINDS][RESTORE_OUTCOMES];
};

/*
 * Restore all of a file that was read once and found right. 0; -EBADMSG or -errno with reader->why: it cannot be read any more,
 * and what was restored of it is of a generation that has passed.
 */
int snapshot_load(struct snapshot_reader *reader, struct restore *restore, struct snapshot_outcome *outcome);
