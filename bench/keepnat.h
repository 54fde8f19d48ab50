/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * keepnat.h - keepnat as a candidate: an instance of its own inside the router.
 */
#pragma once
#include <sys/types.h>
#include <linux/types.h>

struct candidate;

int keepnat_start(struct candidate *candidate);
int keepnat_empty(struct candidate *candidate);
void keepnat_stop(struct candidate *candidate);

/* `keepnat reset wan0`, as an administrator types it. */
int keepnat_reset(struct candidate *candidate);

/* A number of `keepnat --json status` by its path ("sweep.last_seconds"); -ENOENT when there is none. */
int keepnat_status(const struct candidate *candidate, const char *path, double *number);

/* Packets that ended by this reason (core/reasons.def) since the daemon's arrays were made. */
int keepnat_reason(const struct candidate *candidate, const char *name, double *packets);

/* Puts the daemon's threads on the CPUs that the lab leaves free, where traffic does not hold them up. */
int keepnat_leave(const struct candidate *candidate);

/* Calls each(thread, context) for every thread of the daemon, until one call is not 0, and returns that; or -errno. */
int keepnat_threads(const struct candidate *candidate, int (*each)(pid_t thread, void *context),
		    void *context);

/* Bytes of kernel memory of all maps that the daemon holds; prints them one by one when verbose. */
int keepnat_memory(const struct candidate *candidate, __u64 *bytes);
