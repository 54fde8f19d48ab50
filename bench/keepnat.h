/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * keepnat.h - keepnat as a candidate: an instance of its own inside the router.
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>
#include <linux/types.h>

struct candidate;
struct setting;

/* Does this build have the candidate's mode? Its own `keepnat check` says. */
bool keepnat_knows(const struct candidate *candidate, const struct setting *setting);

int keepnat_start(struct candidate *candidate);
int keepnat_empty(struct candidate *candidate);
void keepnat_stop(struct candidate *candidate);

/* `keepnat reset wan0`, as an administrator types it. */
int keepnat_reset(struct candidate *candidate);

/* A number of `keepnat --json status` by its path ("sweep.last_seconds", "log.0.written"); -ENOENT when there is none. */
int keepnat_status(const struct candidate *candidate, const char *path, double *number);

/* Packets that ended by this reason (core/reasons.def) since the daemon's arrays were made. */
int keepnat_reason(const struct candidate *candidate, const char *name, double *packets);

/* The same of all reasons with this verdict: "drop", "answer" and so on. */
int keepnat_verdict(const struct candidate *candidate, const char *verdict, double *packets);

/* Calls each(thread, context) for every thread of the daemon, until one call is not 0, and returns that; or -errno. */
int keepnat_threads(const struct candidate *candidate, int (*each)(pid_t thread, void *context),
		    void *context);

/* Bytes of kernel memory of all maps that the daemon holds; prints them one by one when verbose. */
int keepnat_memory(const struct candidate *candidate, __u64 *bytes);
