/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * xdp.h - the fast path at XDP: a known flow's packet goes from a device's receive queue to another's send queue (core/lease.h).
 *
 * There is no socket buffer yet, and none is made. Nobody has looked at the frame either: whether it is for this station is for
 * us to see. What it may not decide (a packet that wants a mark or a class at the egress, a next hop whose device does not
 * take redirected frames, whatever the fast path leaves to the kernel) goes up as it came, and meets the fast path at TC next.
 *
 * The hit path needs nothing of the context but its bytes, so that all of core/lease.h serves here: nat_instance, which is a
 * socket buffer in programs at TC, is only handed through.
 */
#pragma once
#include "bpf/fast.h"

static __always_inline void xdp_bytes(const struct xdp_md *xdp, struct bytes *b)
{
	b->data = (void *)(long)xdp->data;
	b->end = (void *)(long)xdp->data_end;
}

/* Is the frame an IPv4 packet for the interface `at` of ours? Its Ethernet header, or NULL. */
static __always_inline u8 *xdp_frame(const struct config *c, const struct bytes *b,
				     const struct interface *at)
{
	u8 *frame = packet_bytes(b, 0, ETHERNET);
	u32 number = at->number;

	if (!frame || number >= MAX_INTERFACES || get16(frame, ETHERTYPE_AT) != host_to_be16(ETHERTYPE_IPV4))
		return 0;
	const u8 *station = c->stations[number];
	return GET32(frame) == *(const u32 *)station &&
			       *(volatile u16 *)(frame + 4) == *(const u16 *)(station + 4)
		       ? frame
		       : 0;
}

static __always_inline int xdp_rewrite(const struct bytes *b, const struct packet *p,
				       const struct flight *flight)
{
	u8 *frame = packet_bytes(b, 0, ETHERNET);
	u64 sum = 0;

	if (!frame)
		return -1;
	for (u32 i = 0; i < sizeof(flight->hop.frame); i += 4)
		PUT32(frame + i, *(const u32 *)(flight->hop.frame + i));
	if (rewrite_ttl(b, ETHERNET) || rewrite_ip(b, &p->ip, &flight->to, &sum) ||
	    rewrite_ports(b, &p->ip, &flight->to, &sum))
		return -1;
	return rewrite_check(b, &p->ip, &flight->to, 0, &sum);
}

static __always_inline int meet_xdp(struct xdp_md *xdp, u8 direction)
{
	struct nat_instance *nat = (struct nat_instance *)xdp;
	const struct config *c = env_config(nat);
	u32 ifindex = xdp->ingress_ifindex;
	u32 role = direction == DIRECTION_OUT ? ROLE_INSIDE : ROLE_OUTSIDE;
	struct packet p = {};
	struct flight flight;
	struct bytes b;

	asm volatile("" : "+r"(ifindex)); /* the context is read where it is, not by a pointer into it */
	if (!c)
		return XDP_PASS;
	const struct interface *at = interface_find(c, test_run ? c->test_ifindex : ifindex);
	if (!at || !(at->fast & FAST_XDP) || at->role != role)
		return XDP_PASS;
	xdp_bytes(xdp, &b);
	u32 length = xdp->data_end - xdp->data - ETHERNET;
	if (!xdp_frame(c, &b, at) || !packet_ordinary(&b, &p, ETHERNET, length))
		return XDP_PASS;
	u8 *ip = packet_bytes(&b, ETHERNET, IP_MIN);
	if (!ip || ip[IPV4_TTL] <= 1)
		return XDP_PASS;
	p.ip.protocol = (u8)FORGET(p.ip.protocol, length);
	p.tcp_flags = (u8)FORGET(p.tcp_flags, length);
	int reason =
		hit_fast(nat, c, &p, at->number, direction, p.length, env_now(nat), &flight, HOP_REDIRECT, 1);
	if (reason == NO_SESSION)
		return XDP_PASS;
	if (xdp_rewrite(&b, &p, &flight)) {
		count(flight.interface, REASON_internal, length);
		return XDP_DROP;
	}
	count(flight.interface, (u32)reason, length);
	return test_run ? XDP_TX : (int)bpf_redirect(flight.hop.ifindex, 0);
}
