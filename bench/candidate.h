/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * candidate.h - what can stand in the router: one table of ways to start, empty, reset and stop each of them.
 *
 * To add one, write its functions and a row in candidates[]; a router of its own is made for it.
 */
#pragma once
#include <stdbool.h>
#include "bench/lab.h"

struct probe;

enum { CANDIDATES = 8 };

/* What every candidate is asked to be. */
struct setting {
	__u32 pool_first; /* outside addresses, host byte order */
	__u32 pool_last;
	__u32 sessions; /* to hold */
	__u32 hosts;
	__u32 sessions_per_mapping;
	const char *keepnatd; /* path of the daemon and of the command line */
	const char *keepnat;
	const char *more;    /* more lines for the configuration of keepnat, or NULL */
	struct probe *probe; /* has the limit's program */
	bool verbose;
};

struct candidate {
	const char *name;
	const char *title;
	bool translates;
	const char *accelerate; /* keepnat's: nat.accelerate; NULL: another's */
	int (*start)(struct candidate *candidate);
	int (*empty)(struct candidate *candidate); /* forget all sessions and mappings */
	int (*reset)(
		struct candidate *candidate); /* end all sessions while traffic runs, by the usual command */
	void (*stop)(struct candidate *candidate);
	const struct lab *lab; /* from here on: filled in by candidate_start() */
	const struct setting *setting;
	struct router *router;
	pid_t daemon;
};

struct candidate *candidate_find(const char *name);

/* The n-th of all, or NULL. */
struct candidate *candidate_nth(int n);

/* Whether it can run here at all (its program is there). */
bool candidate_is_present(const struct candidate *candidate, const struct setting *setting);

int candidate_start(struct candidate *candidate, const struct lab *lab, struct router *router,
		    const struct setting *setting);
int candidate_empty(struct candidate *candidate);
int candidate_reset(struct candidate *candidate);
void candidate_stop(struct candidate *candidate);

bool candidate_uses_conntrack(const struct candidate *candidate);

/* Entries of conntrack in its router now, or -errno. */
long candidate_connections(const struct candidate *candidate);

/* Makes conntrack's table large enough for all; then puts the machine's own sizes back. In the lab's original namespace. */
void conntrack_size(__u32 sessions);
void conntrack_restore(void);
