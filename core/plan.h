/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * plan.h - what shall become of a packet: made by translate.h, applied by rewrite.h or the kernel's home of it.
 */
#pragma once
#include "core/packet.h"

/* The new addresses and ports of one header, equal to the old ones where nothing changes, and its identification. */
struct target {
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
	__be16 id;
	u16 has_id; /* 0: it stays */
};

struct plan {
	u8 verdict;   /* enum verdict */
	u8 interface; /* whose counters */
	u8 hairpin;   /* towards an inside interface, not to the kernel */
	u8 zero;
	u32 reason; /* enum reason */
	struct target ip;
	struct target quote;
};

/* Where a packet is met. */
struct meeting {
	u32 now;
	u8 interface; /* number of the interface whose hook runs */
	u8 from;      /* enum role of the interface by which it came; ROLE_NONE for the router's own */
	u8 local;     /* out: the router itself sent it */
	u8 listed;    /* it came by an inside interface that serves only config.networks */
	u8 by;	      /* number of the interface by which it came; NO_INTERFACE for the router's own */
	u8 ours;      /* in, hairpin: what makes its destination ours here, ADDRESS_LIVE or ADDRESS_CLIENTS */
	u8 trial;     /* who is refused here is judged once more: nothing is told */
	u8 zero;
};

/*
 * The number under which mappings and sessions of clients stand whose servers are behind this inside interface (clients.h):
 * outside interfaces are numbered from 0 on, these from MAX_OUTSIDE - 1 down.
 */
static __always_inline u32 clients_number(u32 inside) { return 2 * MAX_OUTSIDE - 1 - inside; }

/* The interface of a device, or NULL. */
static __always_inline const struct interface *interface_find(const struct config *c, u32 ifindex)
{
	u32 h = ifindex * 0x9e3779b1u >> 24;

	for (u32 i = 0; i < INTERFACE_PROBES; i++) {
		const struct interface *at = &c->buckets[(h + i) & (INTERFACE_BUCKETS - 1)];
		if (at->ifindex == ifindex)
			return at;
		if (!at->ifindex)
			break;
	}
	return 0;
}

/* The verdict that belongs to a reason, as reasons.def says. */
static const u8 reason_verdicts[REASONS] = {
#define REASON(id, verdict, text) VERDICT_##verdict,
#include "core/reasons.def"
#undef REASON
};

static __always_inline u8 reason_verdict(u32 reason)
{
	reason = BOUNDED(reason, REASONS);
	return reason < REASONS ? reason_verdicts[reason] : (u8)VERDICT_DROP;
}

static __always_inline void plan_because(struct plan *plan, u32 reason)
{
	plan->reason = reason;
	plan->verdict = reason_verdict(reason);
}

static __always_inline int ports_change(const struct tuple *t, const struct target *n)
{
	return t->sport != n->sport || t->dport != n->dport;
}

static __always_inline struct target target_of(const struct tuple *t)
{
	struct target n = { .saddr = t->saddr, .daddr = t->daddr, .sport = t->sport, .dport = t->dport };

	return n;
}
