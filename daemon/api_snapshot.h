/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* api_snapshot.h - how snapshots are in JSON: of themselves, and within the status. */
#pragma once
#include <jansson.h>
#include <time.h>

struct keepnat;

json_t *json_snapshot(struct keepnat *k);

/* RFC 3339, UTC. */
json_t *json_time(time_t when);
json_t *json_moment(const struct timespec *when); /* with milliseconds */
