/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rewrite_skb.h - a plan applied to a packet of the kernel.
 *
 * As core/rewrite.h, but for the checksum of TCP and UDP: a packet that the router built carries a partial one, and a
 * received one perhaps the sum that the device computed. bpf_l4_csum_replace() knows both. ICMP has no pseudo header and
 * is never partial: its bytes are written directly, and what they change in the device's sum cancels out.
 */
#pragma once
#include "core/rewrite.h"
#include "bpf/state.h"

static __always_inline int skb_check_replace(struct __sk_buff *skb, const struct packet *p,
					     const struct plan *plan)
{
	u32 off = p->ip.l4 + (p->ip.protocol == PROTOCOL_TCP ? TCP_CHECK : UDP_CHECK);
	u64 mangled = p->ip.protocol == PROTOCOL_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	u64 address = mangled | BPF_F_PSEUDO_HDR | 4, port = mangled | 2;
	const struct target *n = &plan->ip;
	long bad = 0;

	if (p->ip.saddr != n->saddr)
		bad |= bpf_l4_csum_replace(skb, off, p->ip.saddr, n->saddr, address);
	if (p->ip.daddr != n->daddr)
		bad |= bpf_l4_csum_replace(skb, off, p->ip.daddr, n->daddr, address);
	if (p->ip.sport != n->sport)
		bad |= bpf_l4_csum_replace(skb, off, p->ip.sport, n->sport, port);
	if (p->ip.dport != n->dport)
		bad |= bpf_l4_csum_replace(skb, off, p->ip.dport, n->dport, port);
	return bad ? -1 : 0;
}

/* 0; -1: out of reach. The packet's pointers are void afterwards. */
static __always_inline int rewrite_skb(struct __sk_buff *skb, const struct bytes *b, const struct packet *p,
				       const struct plan *plan)
{
	u64 sum = 0;

	if (p->kind == PACKET_ERROR || p->later || p->ip.protocol == PROTOCOL_ICMP)
		return rewrite(b, p, plan);
	if (rewrite_ip(b, &p->ip, &plan->ip, &sum) || rewrite_ports(b, &p->ip, &plan->ip, &sum))
		return -1;
	return skb_check_replace(skb, p, plan);
}
