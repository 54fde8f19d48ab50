/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * resets.h - resets of keepnat's outside interface: one at a time, or so many a second beside traffic.
 */
#pragma once
#include <sys/types.h>
#include <linux/types.h>

struct candidate;

/* A connection to the API that is kept open: a descriptor for close(), or -errno. */
int resets_connect(const struct candidate *candidate);

/* Orders one reset, keeping mappings, and reads the answer. 0, or -errno. */
int resets_order(int connection);

/* Nanoseconds of one store that makes a generation of flows old: what a reset is to the packets. Makes some. -errno. */
double resets_store(const struct candidate *candidate);

/* What a process of its own, on another CPU than the lab's, has made so far. */
struct resets_made {
	__u64 count;
	__u64 ns;   /* that the orders took in all */
	int failed; /* -errno */
};

struct resets {
	pid_t pid;
	const struct resets_made *made;
};

/* So many a second from now on, the first at once; 0: none. The mirror is resets_end(), which tells what was made. */
int resets_begin(struct resets *resets, const struct candidate *candidate, unsigned int rate);
int resets_end(struct resets *resets, struct resets_made *made);
