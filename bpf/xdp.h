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
#include "core/rewrite.h"
#include "core/translate.h"
#include "bpf/frame.h"
#include "bpf/state.h"

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

/* A new Ethernet header, and one hop less. 0 or -1. */
static __always_inline int xdp_header(const struct bytes *b, const struct next_hop *hop)
{
	u8 *frame = packet_bytes(b, 0, ETHERNET);

	if (!frame)
		return -1;
	for (u32 i = 0; i < sizeof(hop->frame); i += 4)
		PUT32(frame + i, *(const u32 *)(hop->frame + i));
	return rewrite_ttl(b, ETHERNET);
}

static __always_inline int xdp_rewrite(const struct bytes *b, const struct packet *p,
				       const struct flight *flight)
{
	u64 sum = 0;

	if (xdp_header(b, &flight->hop) || rewrite_ip(b, &p->ip, &flight->to, &sum) ||
	    rewrite_ports(b, &p->ip, &flight->to, &sum))
		return -1;
	return rewrite_check(b, &p->ip, &flight->to, 0, &sum);
}

/* The interface of ours by which the frame came, if it takes part at XDP, or NULL. */
static __always_inline const struct interface *xdp_from(struct xdp_md *xdp, const struct config *c,
							u8 direction)
{
	u32 ifindex = xdp->ingress_ifindex;

	asm volatile("" : "+r"(ifindex)); /* the context is read where it is, not by a pointer into it */
	const struct interface *at = interface_find(c, test_run ? c->test_ifindex : ifindex);
	return at && at->fast & FAST_XDP &&
			       at->role == (direction == DIRECTION_OUT ? ROLE_INSIDE : ROLE_OUTSIDE)
		       ? at
		       : 0;
}

static __always_inline int xdp_send(u32 ifindex) { return test_run ? XDP_TX : (int)bpf_redirect(ifindex, 0); }

/* A packet of a flow with a lease. The program's return value; NO_SESSION: nothing was touched. */
static __always_inline int xdp_known(struct xdp_md *xdp, const struct config *c, const struct interface *at,
				     u8 direction)
{
	struct nat_instance *nat = (struct nat_instance *)xdp;
	struct packet p = {};
	struct flight flight;
	struct bytes b;

	xdp_bytes(xdp, &b);
	u32 length = xdp->data_end - xdp->data - ETHERNET;
	if (!xdp_frame(c, &b, at) || !packet_ordinary(&b, &p, ETHERNET, length))
		return NO_SESSION;
	u8 *ip = packet_bytes(&b, ETHERNET, IP_MIN);
	if (!ip || ip[IPV4_TTL] <= 1)
		return NO_SESSION;
	p.ip.protocol = (u8)FORGET(p.ip.protocol, length);
	p.tcp_flags = (u8)FORGET(p.tcp_flags, length);
	int reason =
		hit_fast(nat, c, &p, at->number, direction, p.length, env_now(nat), &flight, HOP_REDIRECT, 1);
	if (reason == NO_SESSION)
		return NO_SESSION;
	if (xdp_rewrite(&b, &p, &flight)) {
		count(flight.interface, REASON_internal, length);
		return XDP_DROP;
	}
	count(flight.interface, (u32)reason, length);
	return xdp_send(flight.hop.ifindex);
}

static __always_inline int meet_xdp(struct xdp_md *xdp, u8 direction)
{
	const struct config *c = env_config((struct nat_instance *)xdp);
	const struct interface *at = c ? xdp_from(xdp, c, direction) : 0;
	int known = at ? xdp_known(xdp, c, at, direction) : NO_SESSION;

	return known == NO_SESSION ? XDP_PASS : known;
}
