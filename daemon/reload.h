/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * reload.h - another configuration while the NAT runs.
 *
 * One configuration at a time, and by the main thread alone, which writes all that the data path reads: orders wait in a line.
 * What can fail comes first and is undone if it does (reload.c); a configuration that is refused has changed nothing.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "daemon/config.h"

struct keepnat;
struct reloads;

enum { RELOAD_TEXT_MAX = 16 << 20 }; /* bytes of a configuration that a client sends */

/* What became of it. */
enum reload_end {
	RELOAD_DONE,
	RELOAD_REFUSED,	   /* by what it says: the problems tell lines */
	RELOAD_IMPOSSIBLE, /* here and now: the problems tell why */
};

struct reload_result {
	enum reload_end end;
	bool changed;			 /* it was another one */
	unsigned int added, removed;	 /* interfaces */
	struct settings_report problems; /* why not; RELOAD_DONE: warnings */
};

/* A configuration that somebody wants in force. */
struct reload_order {
	struct reload_order *next;
	char *text; /* NULL: the daemon's own file is read again */
	size_t size;
	char name[128]; /* how errors shall call it */
	struct reload_result result;

	/* The main thread's, once the result is there; the order is its own again. */
	void (*done)(struct reload_order *order);
	void *context;
};

/* 0 and k->reloads, or -errno after a logged line. */
int reload_start(struct keepnat *k);

/* Nobody may order any more, and who waits is told so: before the API ends. k->reloads may be NULL here and below. */
void reload_close(struct keepnat *k);
void reload_stop(struct keepnat *k, bool leave);

/* Have it done. Any thread. 0; -ESHUTDOWN: the daemon is stopping, or has no part for this; `done` is not called. */
int reload_order(struct keepnat *k, struct reload_order *order);

/* Becomes readable when there are orders: then call reload_run(). */
int reload_fd(const struct keepnat *k);
void reload_run(struct keepnat *k);

/* The daemon's own file again, for SIGHUP. */
void reload_again(struct keepnat *k);
