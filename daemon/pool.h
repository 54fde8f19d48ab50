/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pool.h - writes what core/host.h reads: which outside addresses there are, and which of them a host gets.
 *
 * ADDRESS TABLE. Open addressing over packed struct outside_address, changed by one store each, while packets
 * read it. An address has ADDRESS_PROBES candidate places from its hash on. One that leaves keeps its place
 * with flags 0, so that it has its port bitmaps again when it comes back; a place that was once used is never
 * cleared, since a search ends at the first unused one. When a newcomer finds no unused place, or no unused
 * bitmaps, it takes those of the address that left longest ago.
 *
 * BUCKETS. Of each interface's POOL_BUCKETS buckets every pool address has the same number, or one more. Bucket and
 * address choose each other by rendezvous hashing, as in a stable matching: a bucket asks the addresses in the order
 * of its scores, and an address that has too many lets go of the one with the lowest score. So the outcome
 * depends on nothing but the set of addresses, and when one comes or goes little more than its own buckets change.
 */
#pragma once
#include "core/types.h"

struct nat_instance;
struct pool;

/* An address that shall be there. */
struct pool_address {
	__be32 addr;
	u8 interface; /* number, below MAX_OUTSIDE */
	u8 flags;     /* ADDRESS_*, not 0 */
};

/* What pool_apply() did. */
struct pool_change {
	unsigned int came, left; /* addresses */
	struct pool_address first_came, first_left;
	unsigned int refused; /* for which there is no place or no bitmaps */
	u32 renewed;	      /* bit of each interface all of whose flows became older */
};

/* Over arrays that are mapped and whose configuration has its masks and its seed. NULL: no memory. */
struct pool *pool_open(struct nat_instance *nat);
void pool_close(struct pool *pool);

/*
 * Make it so that just these addresses serve. Idempotent. Flows with an address that leaves do not exist from that moment on;
 * others are not touched. When one comes back, or its bitmaps go to another, none of before is found with it: all flows of its
 * interface are renewed, or, where filters rest on flows and it had left by an earlier call, its own are ended one by one. 0; -ENOMEM, and nothing is changed.
 */
int pool_apply(struct pool *pool, const struct pool_address *want, unsigned int count,
	       struct pool_change *change);

/*
 * From now on the buckets of an interface have these addresses by their numbers, where hosts' own ports follow from those
 * (deterministic.h); count 0: by rendezvous. 0 or -ENOMEM.
 */
int pool_number(struct pool *pool, unsigned int interface, const __be32 *addresses, u32 count);

/* The generations of these kinds (1 << enum table) of an interface: one more. One atomic step. */
void pool_generation_bump(struct nat_instance *nat, unsigned int interface, u32 tables);

/* Places of the address table for so many addresses: a power of two. */
u32 pool_places(u32 addresses);
