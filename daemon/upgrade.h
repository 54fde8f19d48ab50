/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * upgrade.h - another version of the program takes over, by the parent; packets go on in the kernel all the while.
 *
 *	asked      somebody wants it (POST /v1/upgrade); the new program is what stands where this one was started from
 *	trying     the new program runs beside the old one, with --try: it reads the configuration, looks at the arrays, has the kernel
 *	           check its programs, and changes nothing. If it objects, that was all: REFUSED
 *	under way  the worker ends, the data path stays. The parent becomes the new program, by exec: whoever started it sees the same
 *	           process. That starts its worker, which puts its programs in the place of the old ones
 *	done       it is ready. Until it has been so for a minute the old program is held, open, though its file may be gone
 *	rolled back  it did not become ready, or crashed in that minute: the parent becomes the old program again, and its worker
 *	           puts its own programs back
 *
 * Between the two versions goes no more than an environment variable (see upgrade.c), so that either may be the older one. One
 * that knows nothing of this objects to --try.
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "core/types.h"

struct blackbox;

enum upgrade_state {
	UPGRADE_NONE,
	UPGRADE_TRYING,
	UPGRADE_REFUSED,
	UPGRADE_UNDER_WAY,
	UPGRADE_DONE,
	UPGRADE_ROLLED_BACK,
};
extern const char *const upgrade_state_names[];

/* In the black box: what the worker can read and ask. */
struct blackbox_upgrade {
	u32 told;	/* written by the worker: the last one whose end was told; */
	u32 asked;	/* the number of the one that it wants; the rest by the parent */
	u32 number;	/* of the last one; 0: there was none */
	u32 state;	/* enum upgrade_state, of that */
	char other[32]; /* the version that was before, or that did not serve */
	u32 leave;	/* the worker is to end, and to leave the data path as it is */
	char said[512]; /* what the trial said, or why it was rolled back */
};

/* The parent's. */
struct upgrade {
	struct blackbox_upgrade *box;
	char program[256]; /* what is started */
	char **arguments;  /* of our own start */
	pid_t trial;	   /* 0: none */
	int said;	   /* where it writes */
	bool go;	   /* it had nothing against it */
	u64 until;	   /* ms: it must have ended */
	int former;	   /* the program to go back to; -1: none */
	u64 proven;	   /* ms: from then on there is no way back; 0: not yet ready */
};

/* Learn what a former program handed over. */
void upgrade_open(struct upgrade *u, struct blackbox *box, char **arguments);

/* Now and then: begin a trial that is asked for, end one that takes too long; drop the former program when its time is over. */
void upgrade_look(struct upgrade *u, u64 now);

/* A child ended. True: it was the trial. */
bool upgrade_reap(struct upgrade *u, pid_t child, int status);

/* The worker is ready. */
void upgrade_ready(struct upgrade *u, u64 now);

/* Is the worker to end, and this program to be followed by another? */
bool upgrade_due(const struct upgrade *u);

/* Become the new program. Returns only if that cannot be. */
void upgrade_go(struct upgrade *u);

/* The worker failed, by `why`: become the former program, if there is a way back. Returns only if not. */
void upgrade_back(struct upgrade *u, const char *why);
