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

/* A number of `keepnat --json status` by its path ("sweep.last_seconds"); -ENOENT when there is none. */
int keepnat_status(const struct candidate *candidate, const char *path, double *number);

/* Bytes of kernel memory of all maps that the daemon holds; prints them one by one when verbose. */
int keepnat_memory(const struct candidate *candidate, __u64 *bytes);
