/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * snapshot.h - what the tables have outlives a reboot: written every so often and at a clean stop, restored at a start that finds
 * no arrays to adopt.
 *
 * A thread of its own walks the tables while packets go on, in slices, and rests between them for several times as long. What
 * cannot be written is a warning, no more. The file is STATE_DIR/snapshot; see snapshot_file.h.
 *
 * Start: snapshot_start() finds the file and judges all of it. Once the addresses and what the configuration fixes are there, and
 * before programs are attached, snapshot_restore() brings back what may be. A file that is refused is set aside. The one that was
 * restored stays until the next is written, so that a start that fails after all loses nothing.
 */
#pragma once
#include <stdbool.h>
#include <time.h>

#include "daemon/snapshot_tables.h"

struct keepnat;
struct snapshots;

enum snapshot_state { SNAPSHOT_NONE, SNAPSHOT_RESTORED, SNAPSHOT_REFUSED };

struct snapshot_report {
	unsigned int interval; /* seconds; 0: off */
	bool running;	       /* one is being written */
	u64 done, of;	       /* slots of it */
	u64 asked, taken;      /* so many were asked for and written or failed; numbers only grow */
	time_t last;	       /* of the last that was written; 0: none */
	double seconds, cpu_seconds;
	u64 bytes;
	u64 entries[SAVED_KINDS];
	char error[SNAPSHOT_WHY]; /* of the last try; "": none */

	enum snapshot_state state; /* of the restoring at the start */
	char refused[SNAPSHOT_WHY];
	time_t restored_from;
	u64 off; /* seconds */
	double restore_seconds;
	struct snapshot_outcome outcome;
};

/* The file is judged, unless arrays were adopted. 0 and k->snapshots, or -ENOMEM. */
int snapshot_start(struct keepnat *k);

/* Bring back what snapshot_start() found, once. Called when the addresses are known. */
void snapshot_restore(struct keepnat *k);

/* From now on it is written every so often. 0 or -errno after a line. */
int snapshot_run(struct keepnat *k);

/* The last one is written, if snapshot_run() came that far, also when the arrays stay: the next daemon may need others. */
void snapshot_stop(struct keepnat *k, bool leave);

/* Write one now. The number that report.taken will have when it is done; 0: they are off. Any thread. */
u64 snapshot_ask(struct keepnat *k);

/* Any thread. All zero if there is no k->snapshots. */
void snapshot_report_of(struct keepnat *k, struct snapshot_report *report);
