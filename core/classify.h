/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * classify.h - whose packet is it? Asked only when no flow knows the packet.
 */
#pragma once
#include "core/host.h"

static __always_inline int address_is_multicast(__be32 addr)
{
	u32 a = be32_to_host(addr);

	return a >> 28 == 14 || a == 0xffffffff;
}

/* RFC 1918, RFC 6598, loopback and link-local: never a source outside, whoever sent it. */
static __always_inline int address_is_private(__be32 addr)
{
	u32 a = be32_to_host(addr);

	return a >> 24 == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8 || a >> 22 == 0x191 || a >> 24 == 127 ||
	       a >> 16 == 0xa9fe;
}

static __always_inline int address_is_inside(const struct config *c, __be32 addr)
{
	for (u32 i = 0; i < MAX_NETWORKS; i++) {
		if (i >= c->network_count)
			break;
		if ((addr & c->networks[i].mask) == c->networks[i].addr)
			return 1;
	}
	return 0;
}

/* Is it a destination that is not translated (RFC 6888 REQ-6)? */
SLOW u32 address_passes(struct nat_instance *nat, u32 addr)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!c)
		return 0;
	for (u32 i = 0; i < MAX_PASS_THROUGH; i++) {
		union prefix_word at = { .word = 0 };

		if (i >= c->pass_through_count)
			break;
		at.word = LOAD((const u64 *)(const void *)&c->pass_through[i]); /* it may be changing */
		if ((addr & at.prefix.mask) == at.prefix.addr)
			return 1;
	}
	return 0;
}

static __always_inline int address_is_ours(struct nat_instance *nat, const struct config *c, __be32 addr)
{
	return (address_find(nat, c, addr).flags & ADDRESS_LIVE) != 0;
}

/*
 * A packet leaves whose source is r->inside. 0: an inside host's, or (then r->own) the router's; else the reason to pass
 * or drop it.
 */
static __always_inline u32 source_classify(struct nat_instance *nat, const struct config *c,
					   const struct meeting *m, struct request *r)
{
	struct outside_address a = address_find(nat, c, r->inside.addr);
	int inside = address_is_inside(c, r->inside.addr);

	if (m->from == ROLE_INSIDE) /* an inside host is not in its networks, or pretends to be the router */
		return (m->listed && !inside) || a.flags & ADDRESS_LIVE ? REASON_source_not_inside : 0;
	if (m->from != ROLE_OUTSIDE && a.flags & ADDRESS_LIVE) {
		if (a.interface != r->interface)
			return REASON_transit; /* the router's own, with another interface's address */
		r->own = 1;
		return 0;
	}
	if (m->local && !r->inside.addr)
		return REASON_own_other; /* a DHCP client */
	if (address_is_private(r->inside.addr) || inside)
		return m->local ? 0 : REASON_source_not_inside;
	return m->local ? REASON_own_other : REASON_transit;
}

/*
 * A packet came in to an address that is none of ours. The request's remote: whom it is from, or, an ICMP error, about a
 * packet to. A function of its own, for the look-up of a route takes 64 bytes of stack.
 */
SLOW u32 target_not_ours(struct nat_instance *nat, struct work *work)
{
	const struct config *c = env_config(nat);

	SLOW_ENTER(nat);
	if (!work || !c)
		return REASON_internal;
	__be32 from = work->packet.ip.saddr, to = work->packet.ip.daddr;

	if (address_is_multicast(to))
		return REASON_multicast;
	if (!address_is_inside(c, to) && !env_route_inside(nat, from, to))
		return REASON_transit;
	return address_passes(nat, work->req.remote.addr) && !address_is_ours(nat, c, from)
		       ? REASON_pass_through_in
		       : REASON_to_inside;
}

/*
 * A packet came in, its far end is the request's remote: its target *a is ours, and the request's interface becomes the one
 * that it belongs to (0); or the reason to pass or drop it.
 */
static __always_inline u32 target_classify(struct nat_instance *nat, const struct config *c,
					   struct work *work, struct outside_address *a)
{
	*a = address_find(nat, c, work->packet.ip.daddr);
	work->req.interface = a->interface & (MAX_OUTSIDE - 1);
	if (!(a->flags & work->meeting.ours))
		return target_not_ours(nat, work);
	return address_is_ours(nat, c, work->packet.ip.saddr) ? REASON_spoofed_own : 0;
}
