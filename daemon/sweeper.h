/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sweeper.h - the thread that drives core/sweep.h: one pass after another, in slices, each pass begun a period after the
 * one before, so that the shortest timer is kept to within a quarter of it.
 */
#pragma once

struct keepnat;
struct sweep;
struct sweeper;

/* 0 and k->sweeper, or -errno after a logged line. */
int sweeper_start(struct keepnat *k);

/* Returns when the thread has ended; a pass that runs is left where it is. */
void sweeper_stop(struct keepnat *k);

/* Begin the next pass now, or as soon as this one has ended. Any thread; NULL is allowed. */
void sweeper_hurry(struct sweeper *sweeper);

/*
 * Between the two no slice of a pass runs: for who else inserts into the tables (core/sweep.h). Any thread; NULL is allowed, and
 * then nobody sweeps.
 */
void sweeper_hold(struct sweeper *sweeper);
void sweeper_release(struct sweeper *sweeper);

/* For lists, which read its last_host_* counts; any thread, until sweeper_stop(). NULL if sweeper is. */
const struct sweep *sweeper_sweep(const struct sweeper *sweeper);
