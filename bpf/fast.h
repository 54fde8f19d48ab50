/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fast.h - the fast path at TC: a known flow's packet goes from ingress to the egress of another device (core/lease.h).
 *
 * It passes TC egress there like any other. A word that only the programs know, in the control block that no protocol touches
 * between the two, tells the program there that nothing is left to do; whoever takes it away on the way makes the packet one
 * that it drops, since it leaves from inside with an outside source. Ethernet only: where there is no such header, there is
 * none to learn.
 */
#pragma once
#include "core/translate.h"
#include "bpf/forward.h"
#include "bpf/rewrite_skb.h"
#include "bpf/skb.h"

enum { PACKET_FOR_US = 0 }; /* of linux/if_packet.h: not for another station, not a broadcast */

static __always_inline void pass_set(struct __sk_buff *skb, const struct config *c)
{
	skb->cb[0] = c->pass[0];
	skb->cb[1] = c->pass[1];
}

/* Was this packet translated at the ingress of another device? Then only this once. */
static __always_inline int pass_take(struct __sk_buff *skb, const struct config *c)
{
	if (!c->pass[0] || skb->cb[0] != c->pass[0] || skb->cb[1] != c->pass[1])
		return 0;
	skb->cb[0] = 0;
	return 1;
}

/* Bytes of the largest IP packet that an ordinary one becomes on the wire. Datagrams that offload will cut go the kernel's way. */
static __always_inline u32 wire_size(struct __sk_buff *skb, const struct bytes *b, const struct packet *p)
{
	u32 segment = skb->gso_size;
	u8 *tcp;

	if (!segment)
		return p->length;
	tcp = packet_bytes(b, p->ip.l4, TCP_MIN);
	if (!tcp || p->ip.protocol != PROTOCOL_TCP)
		return ~0u;
	return IP_MIN + (u32)(tcp[TCP_OFFSET] >> 4) * 4 + segment;
}

/* The priority that the kernel gives a packet that it forwards, by its type of service (rt_tos2priority()). */
static __always_inline u32 priority_of(const u8 *ip)
{
	return (u32)(0x4444666622220000ull >> (ip[1] >> 1 & 15) * 4) & 15;
}

/* The new Ethernet header, and one hop less. 0 or -1. */
static __always_inline int fast_header(struct __sk_buff *skb, const struct bytes *b,
				       const struct next_hop *hop)
{
	u8 *ip = packet_bytes(b, ETHERNET, IP_MIN), *frame = packet_bytes(b, 0, ETHERNET);

	if (!ip || !frame)
		return -1;
	skb->mark = hop->mark;
	skb->priority = hop->priority == PRIORITY_BY_SERVICE ? priority_of(ip) : hop->priority;
	for (u32 i = 0; i < sizeof(hop->frame); i += 4)
		PUT32(frame + i, *(const u32 *)(hop->frame + i));
	return rewrite_ttl(b, ETHERNET);
}

enum { NOT_KNOWN = -2, KNOWN_LEARN = -3 };

/* The transport checksum, after one end of the packet became another: which, the caller knows, and the verifier with it. */
static __always_inline int fast_check(struct __sk_buff *skb, const struct tuple *t, const struct target *n,
				      u32 direction)
{
	int out = direction == DIRECTION_OUT;
	u32 off = t->l4 + (t->protocol == PROTOCOL_TCP ? TCP_CHECK : UDP_CHECK);
	u64 mangled = t->protocol == PROTOCOL_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	__be32 addr = out ? t->saddr : t->daddr, new_addr = out ? n->saddr : n->daddr;
	__be16 port = out ? t->sport : t->dport, new_port = out ? n->sport : n->dport;

	if (bpf_l4_csum_replace(skb, off, addr, new_addr, mangled | BPF_F_PSEUDO_HDR | 4))
		return -1;
	return port == new_port ? 0 : (int)bpf_l4_csum_replace(skb, off, port, new_port, mangled | 2);
}

static __always_inline int fast_rewrite(struct __sk_buff *skb, const struct bytes *b, const struct packet *p,
					const struct flight *flight, u32 direction)
{
	u64 sum = 0;

	if (fast_header(skb, b, &flight->hop) || rewrite_ip(b, &p->ip, &flight->to, &sum) ||
	    rewrite_ports(b, &p->ip, &flight->to, &sum))
		return -1;
	return fast_check(skb, &p->ip, &flight->to, direction);
}

/* An ordinary packet of a flow with a lease. The program's return value; NOT_KNOWN: nothing was touched. */
static __always_inline int meet_fast(struct __sk_buff *skb, u32 from, u32 direction)
{
	const struct config *c = env_config(skb);
	u32 length = skb->len - ETHERNET;
	struct packet p = {};
	struct flight flight;
	struct bytes b;

	if (!c)
		return NOT_KNOWN;
	bytes_attach(skb, &b);
	if (!is_ipv4(skb) || (skb->pkt_type != PACKET_FOR_US && !test_run) ||
	    !packet_ordinary(&b, &p, ETHERNET, length))
		return NOT_KNOWN;
	u8 *ip = packet_bytes(&b, ETHERNET, IP_MIN);
	if (!ip || ip[IPV4_TTL] <= 1)
		return NOT_KNOWN;
	/* TCP or UDP, cut by offload or not: from here on one way to the verifier. */
	u32 size = FORGET(wire_size(skb, &b, &p), length);
	p.ip.protocol = (u8)FORGET(p.ip.protocol, length);
	p.tcp_flags = (u8)FORGET(p.tcp_flags, length);
	int reason =
		hit_fast(skb, c, &p, from, (u8)direction, size, env_now(skb), &flight, 0, env_segments(skb));
	if (reason == NO_SESSION)
		return NOT_KNOWN;
	if (fast_rewrite(skb, &b, &p, &flight, direction)) {
		count(flight.interface, REASON_internal, length);
		return TC_ACT_SHOT;
	}
	count(flight.interface, (u32)reason, length);
	pass_set(skb, c);
	return test_run ? TC_ACT_UNSPEC : (int)bpf_redirect(flight.hop.ifindex, 0);
}

/*
 * Functions of their own to the verifier, which else followed the slow path once for each way in which they can end.
 */
SLOW int meet_fast_out(struct __sk_buff *skb, u32 from) { return meet_fast(skb, from, DIRECTION_OUT); }
SLOW int meet_fast_in(struct __sk_buff *skb, u32 from) { return meet_fast(skb, from, DIRECTION_IN); }

/* The largest IP packet that a device takes. */
static __always_inline u32 device_mtu(struct __sk_buff *skb)
{
	u32 mtu = 0;

	if (virtual_time)
		return VIRTUAL_MTU;
	(void)bpf_check_mtu(skb, 0, &mtu, 0, 0); /* what it says of this packet is the kernel's business */
	return mtu < 0xffff ? mtu : 0xffff;
}

/*
 * The kernel sends this packet, from one end to the other by its addresses inside: what it shows becomes the flow's lease.
 * `from`: the number of the interface by which it came.
 */
SLOW u32 fast_learn(struct __sk_buff *skb, struct work *work, u32 from)
{
	SLOW_ENTER(skb);
	if (!work)
		return 0;
	struct offer *offer = &work->offer;
	struct bytes b;

	offer->hop.mtu = (u16)device_mtu(skb);
	bytes_attach(skb, &b);
	u8 *frame = packet_bytes(&b, 0, ETHERNET), *ip = packet_bytes(&b, ETHERNET, IP_MIN);
	if (!frame || !ip)
		return 0;
	for (u32 i = 0; i < sizeof(offer->hop.frame); i += 4)
		PUT32(offer->hop.frame + i, GET32(frame + i));
	offer->hop.from = (u8)from;
	offer->hop.ifindex = skb->ifindex;
	offer->hop.mark = skb->mark;
	offer->hop.priority =
		virtual_time || skb->priority == priority_of(ip) ? PRIORITY_BY_SERVICE : skb->priority;
	if (offer->hop.mark || offer->hop.priority != PRIORITY_BY_SERVICE)
		offer->hop.can = 0;
	offer->hop.zero2 = 0;
	offer->now = env_now(skb);
	return lease_renew(skb, work);
}

/* The interface of ours by which a packet came, if it takes part in the fast path. */
static __always_inline const struct interface *fast_from(struct __sk_buff *skb, const struct config *c,
							 u32 role)
{
	const struct interface *from = skb->ingress_ifindex ? interface_find(c, skb->ingress_ifindex) : 0;

	return from && from->fast && from->role == role ? from : 0;
}

static __always_inline u8 hop_can(const struct interface *at)
{
	return at->fast & FAST_TARGET ? HOP_REDIRECT : 0;
}

/* A packet goes out that the kernel routed: of p, with its source as it was inside. learn_out() is to be asked next. */
static __always_inline void learn_ready(struct __sk_buff *skb, const struct packet *p)
{
	struct work *work = env_scratch(skb);

	if (!work)
		return;
	work->offer.inside = source_of(&p->ip);
	work->offer.remote = destination_of(&p->ip);
	work->offer.protocol = p->ip.protocol;
	work->offer.direction = DIRECTION_OUT;
}

/* Out by `at`. */
static __always_inline void learn_out(struct __sk_buff *skb, const struct config *c,
				      const struct interface *at)
{
	const struct interface *from = fast_from(skb, c, ROLE_INSIDE);
	struct work *work = env_scratch(skb);

	if (!from || !work)
		return;
	work->offer.hop.can = hop_can(at);
	(void)fast_learn(skb, work, from->number);
}

/* Egress of an inside interface. */
static __always_inline void learn_in(struct __sk_buff *skb, const struct config *c)
{
	struct work *work = env_scratch(skb);
	struct packet p = {};
	struct bytes b;

	if (!work)
		return;
	const struct interface *from = fast_from(skb, c, ROLE_OUTSIDE), *at = interface_find(c, skb->ifindex);
	bytes_attach(skb, &b);
	if (!from || !at || !at->fast || !is_ipv4(skb) ||
	    !packet_ordinary(&b, &p, ETHERNET, skb->len - ETHERNET))
		return;
	work->offer.inside = destination_of(&p.ip);
	work->offer.remote = source_of(&p.ip);
	work->offer.protocol = p.ip.protocol;
	work->offer.direction = DIRECTION_IN;
	work->offer.hop.can = hop_can(at);
	(void)fast_learn(skb, work, from->number);
}
