/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rewrite_skb.h - a plan applied to a packet of the kernel.
 *
 * As core/rewrite.h, but for the checksum of TCP and UDP: a packet that the router built carries a partial one, and a
 * received one perhaps the sum that the device computed. bpf_l4_csum_replace() knows both. ICMP has no pseudo header and
 * is never partial: its bytes are written directly, and what they change in the device's sum cancels out. SCTP's CRC is 0 where it
 * is left to the device, and stays so.
 */
#pragma once
#include "core/rewrite.h"
#include "bpf/state.h"

static __always_inline int skb_check_replace(struct __sk_buff *skb, const struct tuple *t,
					     const struct target *n)
{
	u32 off = t->l4 + (t->protocol == PROTOCOL_TCP ? TCP_CHECK : UDP_CHECK);
	/* By protocol, as the hit looks: two fields alive are more stack than kernel 6.1 has (tests/kernels/verifier). */
	int zero = t->protocol == PROTOCOL_UDP || t->protocol == PROTOCOL_UDPLITE;
	u64 mangled = zero ? BPF_F_MARK_MANGLED_0 : 0;
	u64 address = mangled | BPF_F_PSEUDO_HDR | 4, port = mangled | 2;
	long bad = 0;

	if (t->saddr != n->saddr)
		bad |= bpf_l4_csum_replace(skb, off, t->saddr, n->saddr, address);
	if (t->daddr != n->daddr)
		bad |= bpf_l4_csum_replace(skb, off, t->daddr, n->daddr, address);
	if (t->sport != n->sport)
		bad |= bpf_l4_csum_replace(skb, off, t->sport, n->sport, port);
	if (t->dport != n->dport)
		bad |= bpf_l4_csum_replace(skb, off, t->dport, n->dport, port);
	return bad ? -1 : 0;
}

/* TCP, UDP, DCCP or UDP-Lite. 0; -1: out of reach. The packet's pointers are void afterwards. */
static __always_inline int rewrite_skb_ports(struct __sk_buff *skb, const struct bytes *b,
					     const struct tuple *t, const struct target *n)
{
	u64 sum = 0;

	if (rewrite_ip(b, t, n, &sum) || rewrite_ports(b, t, n, &sum))
		return -1;
	return skb_check_replace(skb, t, n);
}

/*
 * What the kernel has no part in: ICMP, SCTP, later fragments, protocols without ports. Beside the programs, whose stack it would
 * take.
 */
SLOW u32 rewrite_skb_bytes(struct __sk_buff *skb, struct work *work)
{
	struct bytes b = { .data = (void *)(long)skb->data, .end = (void *)(long)skb->data_end };

	SLOW_ENTER(skb);
	return !work || rewrite(&b, &work->packet, &work->plan);
}

/* Any plan: as above. */
static __always_inline int rewrite_skb(struct __sk_buff *skb, const struct bytes *b, struct work *work)
{
	const struct packet *p = &work->packet;

	if (p->kind == PACKET_ERROR || p->kind == PACKET_OTHER || p->later || p->ip.class == CLASS_ICMP ||
	    p->ip.class == CLASS_SCTP)
		return (int)rewrite_skb_bytes(skb, work);
	return rewrite_skb_ports(skb, b, &p->ip, &work->plan.ip);
}
