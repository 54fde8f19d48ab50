/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kill.h - end just those sessions, mappings or hosts that somebody names, while packets pass.
 *
 * Of sessions, both halves end. A mapping comes to its rest (hold_down_timeout), and its sessions end; a host loses its mappings,
 * sessions and entry. Nothing is forbidden by that: who goes on sending has a new session with the next packet, an endpoint whose
 * mapping rests the same outside port as before, and a host without entry the address that it would be given as a new one.
 *
 * What the configuration says stays: port mappings and reservations, whose sessions end all the same.
 */
#pragma once
#include "daemon/list.h"

enum kill_what { KILL_SESSIONS, KILL_MAPPINGS, KILL_HOSTS };

struct kill_counts {
	u64 sessions, mappings, hosts;
	u64 kept; /* port mappings and reservations that were named */
};

/* A walk over the tables: mappings first, so that none makes a session anew behind it; then sessions, then hosts. */
struct kill {
	enum kill_what what;
	enum list_kind stage;
	u32 at;
	bool done;
	struct list_view view;	   /* the caller's, by list_open() */
	struct list_filter filter; /* which entries: those that the lists show for it */
	struct kill_counts counts;
};

/* Make `kill`, with its view and filter, ready for its first step. */
void kill_begin(struct kill *kill, enum kill_what what);

/* Look at so many slots at most; kill->done: that was all. */
void kill_step(struct kill *kill, u32 slots);
