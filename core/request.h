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

/* The value of a flow, without its counts. */
union flow_value {
	u64 word[3];
	struct {
		u8 interface;
		u8 own;
		u16 idle_max;
		u32 peer;
		__be32 addr;
		__be16 port;
		u16 index;
		u32 mapping;
		u32 lease;
	};
};

struct request {
	/* asked for */
	struct endpoint inside;
	struct endpoint outside;
	struct endpoint remote;
	u8 protocol;
	u8 class;
	u8 interface; /* the outside interface */
	u8 own;	      /* the inside endpoint is the router's own: OWN_ROUTER or 0 */
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
	union flow_value flow; /* what flow_peek() saw */
	/* the search for an idle host, which gives way */
	u64 idle_word; /* 0: none */
	u32 idle_slot;
	u32 idle_age;
	/* the search for a port */
	u32 port; /* candidate, 0: none */
	u32 port_min;
	u32 port_max;
	u32 port_step; /* from one that it may be to the next */
	u64 port_mask; /* which bits of a word may be had: parity */
	u32 outcome;   /* of the search: 0, or a reason */
	u32 fixed;     /* the mapping is one that the configuration made: OWN_FIXED or 0 */
	u64 claim; /* word of what we inserted as our claim: the outside half, or a host's outside address */
	u32 claim_slot;
	u32 same_port; /* the outside port must be the inside one */
	u32 alone;     /* and the outside address is the host's alone: not the router's, too */
	u32 inbound;   /* what comes in to r->outside.addr is a reserved host's */
	u32 full;      /* of the mapping that was found: OWN_FULL or 0 */
	__be32 client; /* r->inside is a client of full NAT, and this the address that stands for it; else 0 */
	u32 account;   /* slot of the host of whose account something was taken, or NO_SLOT */
	u64 account_was, account_is;
};
enum { NO_SLOT = 0xffffffff };

/*
 * Keys and values are put together in registers, and go to memory as whole words: a word that is read right after its
 * bytes were written one by one must wait until they, and every load before them, are done.
 */
union flow_key {
	u64 word[2];
	struct {
		__be32 saddr;
		__be32 daddr;
		__be16 sport;
		__be16 dport;
		u8 protocol;
		u8 direction;
		u16 realm;
	};
};

/* The key of a flow between two endpoints. */
static __always_inline void flow_key_between(union flow_key *key, struct endpoint from, struct endpoint to,
					     u8 protocol, u8 direction)
{
	key->word[1] = 0;
	key->saddr = from.addr;
	key->daddr = to.addr;
	key->sport = from.port;
	key->dport = to.port;
	key->protocol = protocol;
	key->direction = direction;
}

/* The key of the request's flow of a direction. DIRECTION_PERMIT: any port of the remote address. */
static __always_inline void flow_key_of(union flow_key *key, const struct request *r, u8 direction)
{
	int out = direction == DIRECTION_OUT;
	struct endpoint from = out ? r->inside : r->remote;

	if (direction == DIRECTION_PERMIT)
		from.port = 0;
	flow_key_between(key, from, out ? r->remote : r->outside, r->protocol, direction);
}

/* A packet that the kernel sent, as inside sees it, and the way that it took: see lease.h. */
struct offer {
	struct endpoint inside;
	struct endpoint remote;
	u8 protocol;
	u8 direction;
	u16 zero;
	u32 now;
	struct next_hop hop;
};

/* A PPTP control message that passes: its head, as it lies there, and which id of it, if one, becomes another: see pptp.h. */
struct control {
	__be16 head[8];
	u32 place; /* of that id in the message, or 0 */
	__be16 id;
	u16 zero;
};

/* All that the way of one packet needs. */
struct work {
	struct packet packet;
	struct plan plan;
	struct meeting meeting;
	struct insert ins;
	struct request req;
	struct offer offer;
	struct control control;
	u32 firsts; /* first packets of sessions, one after the other, that came from inside: see translate_expect() */
	u32 shown[2]; /* tick of the last packet that was left to the kernel, out and in: bpf/all.bpf.c */
};
