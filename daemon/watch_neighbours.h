/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * watch_neighbours.h - the hardware addresses of all IPv4 neighbours, as the kernel tells them.
 */
#pragma once
#include <stdbool.h>

#include "core/types.h"

struct nlmsghdr;

struct neighbour {
	u32 ifindex; /* 0: no entry */
	__be32 addr;
	u8 mac[6];
	bool usable; /* false: it had a hardware address once, and has none now */
};

/* Open addressing, at most half full. All zero: none. */
struct neighbours {
	struct neighbour *items;
	u32 size; /* a power of two, or 0 */
	u32 count;
};

/* A message about a neighbour. Did one that could be used get another hardware address, or lose it? */
bool neighbours_take(struct neighbours *n, const struct nlmsghdr *message);

/* The same in words: mac NULL says that it has none. Without memory everything is a change. */
bool neighbours_set(struct neighbours *n, u32 ifindex, __be32 addr, const u8 *mac);

/* Ask the kernel for all. 0 or -errno. */
int neighbours_dump(struct neighbours *n);
void neighbours_free(struct neighbours *n);
