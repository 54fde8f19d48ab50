/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * usage.h - how full tables and pools are, and the events that say so: at 80, 90 and 100 in 100, once each on the way up; when less
 * than 75 are used again, that is told, and all of it begins anew.
 */
#pragma once
#include <stdbool.h>

#include "core/types.h"

struct keepnat;
struct list_view;

enum usage_table { USAGE_SESSIONS, USAGE_MAPPINGS, USAGE_HOSTS, USAGE_TABLES };
enum usage_level { USAGE_NORMAL, USAGE_HIGH, USAGE_CRITICAL, USAGE_FULL };

struct usage {
	u64 used, capacity;
};

/* What was told last; all zero at first. */
struct usages {
	u64 passes; /* of the sweep */
	u8 tables[USAGE_TABLES];
	u8 ports[MAX_OUTSIDE][PORT_AREAS];
};

/* As of the last sweep. */
const char *usage_table_name(enum usage_table table);
struct usage usage_of_table(struct keepnat *k, enum usage_table table);

/* Ports of the configured range of all pool addresses, by outside interface and class; the last class: all rare ones. */
void usage_of_pools(struct list_view *view, struct usage ports[MAX_OUTSIDE][PORT_AREAS],
		    u32 addresses[MAX_OUTSIDE]);

/* "udp", "tcp", "icmp", "other". */
const char *usage_class_name(u32 class);

/* The level from here on. */
enum usage_level usage_level(enum usage_level level, const struct usage *usage);

/* How many have to be used that this level is reached; of USAGE_NORMAL: below how many it is. */
u64 usage_threshold(u64 capacity, enum usage_level level);

/* Look, if the sweep has counted since the last time. */
void usages_look(struct keepnat *k, struct usages *usages);
