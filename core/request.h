/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * request.h - what the slow path is asked for and what it answers.
 *
 * It lies in the scratch memory of a CPU (struct work, see env_scratch()): a BPF program has 512 bytes of stack
 * for its whole chain of calls. Nothing in it outlives the packet.
 */
#pragma once
#include "core/plan.h"
#include "core/table.h"

struct endpoint {
	__be32 addr;
	__be16 port;
	u16 zero;
};

struct request {
	/* asked for */
	struct endpoint inside;
	struct endpoint outside;
	struct endpoint remote;
	u8 protocol;
	u8 class;
	u8 interface; /* the outside interface */
	u8 own;	      /* the inside endpoint is the router's own */
	u8 flags;     /* word flags of the direction that the packet goes, see tcp.h */
	u8 hairpin;   /* the remote is an outside address of ours: FLOW_HAIRPIN or 0 */
	u16 bytes;
	u64 generation; /* the interface's word, read before all that it makes stale: see table.h */
	u32 now;
	/* found on the way */
	u32 mapping; /* slot of the inside half */
	u32 host;    /* slot of the host */
	u32 index;   /* port bitmaps of the outside address */
	u32 in_slot; /* the inbound flow, and the first word of its value */
	u64 in_head;
	/* the search for a port */
	u32 port; /* candidate, 0: none */
	u32 port_min;
	u32 port_max;
	u64 port_mask; /* which bits of a word may be had: parity */
	u32 outcome;   /* of the search: 0, or a reason */
	u32 zero;
	u64 claim; /* word of the outside half that we inserted */
	u32 claim_slot;
	u32 zero2;
};

/* The key of the request's flow of a direction. DIRECTION_PERMIT: any port of the remote address. */
static __always_inline void flow_key_of(struct flow *f, const struct request *r, u8 direction)
{
	int out = direction == DIRECTION_OUT;

	f->saddr = out ? r->inside.addr : r->remote.addr;
	f->sport = out ? r->inside.port : direction == DIRECTION_IN ? r->remote.port : 0;
	f->daddr = out ? r->remote.addr : r->outside.addr;
	f->dport = out ? r->remote.port : r->outside.port;
	f->protocol = r->protocol;
	f->direction = direction;
	f->realm = 0;
}

/* All that the way of one packet needs. */
struct work {
	struct packet packet;
	struct plan plan;
	struct meeting meeting;
	struct insert ins;
	struct request req;
};
