/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * saved.h - entries of the tables as they outlive the tables: what a snapshot has (daemon/snapshot_file.h).
 *
 * They are no copies of slots, so that another layout of the tables reads them as well: SAVED_VERSION changes with them, not
 * with LAYOUT_VERSION. Addresses and ports are as on the wire, all else in the byte order of the machine, which the file names.
 * Ages are ticks since then, so that only who restores them needs a clock. Nothing here says where an entry stood.
 *
 * What the configuration made is not among them: it makes it anew. Neither is what a reset ended, nor are next hops and
 * fragments, which last for seconds.
 */
#pragma once
#include "core/types.h"

enum { SAVED_VERSION = 1 };

enum saved_kind { SAVED_HOST, SAVED_MAPPING, SAVED_SESSION, SAVED_FLOW, SAVED_KINDS };

/* In `bits`. */
enum {
	SAVED_OUT = 1,	 /* session: there is an outbound half */
	SAVED_IN = 2,	 /* and an inbound one */
	SAVED_RESTS = 4, /* mapping: its port rests, and `age` is for how long */
	SAVED_PAIR = 8,	 /* flow: the record before is its other half */
	SAVED_SEEN = 16, /* flow: of a claim, `idle` holds */
};

/* A host and its outside address; where that is the host's alone, its claim on the address goes with it. */
struct saved_host {
	__be32 inside;
	__be32 outside;
	u8 interface;
	u8 own;
	u16 zero;
	u32 age;
};
_Static_assert(sizeof(struct saved_host) == 16, "no hidden padding");

/* Both halves of a mapping, or, of CLASS_BLOCK, a block that is lent: its ports are numbers of blocks. */
struct saved_mapping {
	__be32 inside;
	__be32 outside;
	__be16 inside_port;
	__be16 outside_port;
	u8 class;
	u8 interface;
	u8 own;
	u8 bits;
	u32 age;
};
_Static_assert(sizeof(struct saved_mapping) == 20, "no hidden padding");

/* The flags, the time and the counts of one direction. */
struct saved_half {
	u64 packets;
	u64 bytes;
	u32 age;
	u8 flags;
	u8 own;
	u16 zero;
};
_Static_assert(sizeof(struct saved_half) == 24, "no hidden padding");

/* A session whose halves say the same of its endpoints: all but those of SPIs and calls. */
struct saved_session {
	__be32 inside;
	__be32 outside;
	__be32 remote;
	__be16 inside_port;
	__be16 outside_port;
	__be16 remote_port;
	u8 protocol;
	u8 interface;
	u8 bits;
	u8 zero[3];
	struct saved_half out, in;
};
_Static_assert(sizeof(struct saved_session) == 72, "no hidden padding");

/* Any other flow: of an SPI or a call, a claim, who may be told of errors, what is left of a connection. As struct flow. */
struct saved_flow {
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
	u8 protocol;
	u8 direction;
	u16 realm;
	__be32 addr;
	__be16 port;
	u16 idle_max;
	u8 interface;
	u8 bits;
	u16 zero;
	u32 idle; /* of its session, whichever half; of a claim: since a session of another host was used, see spi.h */
	struct saved_half half;
};
_Static_assert(sizeof(struct saved_flow) == 56, "no hidden padding");

struct saved {
	u32 kind; /* enum saved_kind */
	u32 zero;
	union {
		struct saved_host host;
		struct saved_mapping mapping;
		struct saved_session session;
		struct saved_flow flow;
	};
};

static inline u32 saved_size(u32 kind)
{
	static const u32 sizes[SAVED_KINDS] = {
		[SAVED_HOST] = sizeof(struct saved_host),
		[SAVED_MAPPING] = sizeof(struct saved_mapping),
		[SAVED_SESSION] = sizeof(struct saved_session),
		[SAVED_FLOW] = sizeof(struct saved_flow),
	};

	return kind < SAVED_KINDS ? sizes[kind] : 0;
}
