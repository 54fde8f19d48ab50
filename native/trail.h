/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * trail.h - who had which outside port, and from when to when: what the law asks a provider for (RFC 6888 REQ-12, RFC 6302).
 *
 * THE TABLES ARE THE QUEUE. Packets say nothing to anybody: an outside half of a mapping is the claim on a port, it stays until its
 * port has rested, and it has the tick of its making in it. So it is enough that the sweep shows each half that it meets (passed) and
 * each that it ends (ended), with when the mapping had come to rest; what was told of is remembered in an entry for each slot. A
 * record that nobody takes now is told in the next pass, with the same times, and nothing is lost while a daemon is dead, if the
 * entries outlive it. Lost, and counted, is only what began and ended while the end of a former one in the same slot could not be told.
 *
 *	empty ── half stands ──> HERE ── begin is taken ──> BEGAN ── half is gone, or another's ──> OVER ── end is taken ──> empty
 *
 * A mapping that came to rest, and whose endpoint wakes it, is one and the same: nobody else could have had its port. Blocks that are
 * lent (core/mapping.h) are mappings of a class of their own here, too.
 *
 * SESSIONS, with their destinations, only for who has to (RFC 6888 REQ-12). The outbound flow is one; it has no time of its making. So a session
 * begins when it was first met: or, what may be earlier, never later, with the pass before that. It ends when the sweep ends it. One
 * that the sweep never met is not told of; what lives shorter than a pass is only what a reset ends.
 *
 * BINDINGS, of a host to its outside address, begin when the host's entry was made, and end with the pass that does not find it any more.
 *
 * For one thread, that of the sweep.
 */
#pragma once
#include <stdbool.h>

#include "core/types.h"

struct nat_instance;
struct sweep;

enum trail_kind {
	TRAIL_MAPPING_BEGIN,
	TRAIL_MAPPING_END,
	TRAIL_BLOCK_BEGIN,
	TRAIL_BLOCK_END,
	TRAIL_SESSION_BEGIN,
	TRAIL_SESSION_END,
	TRAIL_BINDING_BEGIN,
	TRAIL_BINDING_END,
	/* These are of no entry. */
	TRAIL_LOST, /* records that one destination did not get */
	TRAIL_ADDRESSES_EXHAUSTED,
	TRAIL_PORTS_EXHAUSTED,
	TRAIL_QUOTA_EXCEEDED,
	/* Thresholds that were reached: of the addresses of a pool, of mappings, and of hosts, each of which has an address. */
	TRAIL_POOL_HIGH,
	TRAIL_POOL_LOW,
	TRAIL_MAPPINGS_HIGH,
	TRAIL_BINDINGS_HIGH,
	TRAIL_KINDS
};

/* What was exceeded: with the numbers of RFC 8158's natQuotaExceededEvent. */
enum trail_quota { TRAIL_SESSIONS = 1, TRAIL_MAPPINGS, TRAIL_OF_HOST, TRAIL_HOSTS, TRAIL_QUOTAS };

/* Ports are in host byte order. Of a block: outside_port to last_port, and no protocol; of a binding: neither. */
struct trail_record {
	u32 kind; /* enum trail_kind */
	u8 protocol;
	u8 interface;			/* outside: its number */
	u8 own;				/* OWN_* */
	u8 quota;			/* enum trail_quota */
	__be32 inside, outside, remote; /* remote: of a session */
	u16 inside_port, outside_port, last_port, remote_port;
	u32 zero2;
	u64 when;  /* when it happened: in ticks; who takes it may keep another time here */
	u64 since; /* of an end: when it had begun */
	u64 count; /* of records that were lost; the quota, or threshold */
};

/* What was told of what is, or was, in a slot. */
struct trail_life {
	u32 began, ended; /* ticks */
	u16 version;	  /* of the slot's word */
	u16 state;	  /* TRAIL_HERE and so on; 0: nothing is */
};

/* One a slot of the table of mappings, or of hosts; all zero: empty. */
struct trail_entry {
	u64 key, value; /* of the outside half, or host */
	struct trail_life life;
	u32 block_size; /* of a half */
};
_Static_assert(sizeof(struct trail_entry) == 32, "as large as the half that it is about");

/* And of flows. */
struct trail_flow {
	u64 key[2], to; /* of the outbound flow; to: the outside endpoint */
	struct trail_life life;
	u8 interface, own;
	u16 zero;
};
_Static_assert(sizeof(struct trail_flow) == 40, "no hidden padding");

/* Which mappings are told of. By need: not those whose port is one of a block or share, which tell whose it is. */
enum trail_mappings { TRAIL_MAPPINGS_OFF, TRAIL_MAPPINGS_BY_NEED, TRAIL_MAPPINGS_ALL };

struct trail {
	struct nat_instance *nat;
	struct trail_entry *entries; /* these three are the caller's */
	struct trail_flow *flows;    /* NULL: sessions are not told of */
	struct trail_entry *hosts;   /* NULL: bindings are not told of */
	enum trail_mappings mappings;
	bool blocks;
	bool (*take)(void *context, const struct trail_record *record); /* false: not now */
	void *context;
	u64 lost; /* mappings and blocks that were never told of */
	const struct sweep *sweep;
};

/* Have the sweep show all to *trail, whose fields the caller has set; both stay where they are. */
void trail_follow(struct trail *trail, struct sweep *sweep);
