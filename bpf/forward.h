/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * forward.h - where a translated packet goes: on to the kernel, or, hairpinned, straight to an inside interface.
 *
 * A hairpinned packet has an outside address of ours as its source, and the kernel would drop it as an impostor's. So
 * it is sent without the kernel's routing, which makes TTL and MTU our business.
 */
#pragma once
#include <linux/pkt_cls.h>
#include "core/rewrite.h"
#include "bpf/frame.h"
#include "bpf/state.h"

/* The inside interface towards addr. 0: none. A function of its own: its 64 bytes of stack are beside those of the NAT. */
SLOW u32 hairpin_interface(struct __sk_buff *skb, __be32 from, __be32 to)
{
	const struct config *c = env_config(skb);
	struct bpf_fib_lookup fib = {};
	const struct interface *way;

	SLOW_ENTER(skb);
	if (!c)
		return 0;
	if (test_run)
		return skb->ifindex;
	fib.family = 2; /* AF_INET */
	fib.ifindex = skb->ifindex;
	fib.ipv4_src = from;
	fib.ipv4_dst = to;
	long rc = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	if (rc != BPF_FIB_LKUP_RET_SUCCESS && rc != BPF_FIB_LKUP_RET_NO_NEIGH &&
	    rc != BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return 0;
	way = interface_find(c, fib.ifindex);
	return way && way->role == ROLE_INSIDE ? fib.ifindex : 0;
}

/*
 * Send a packet to a device, with the route there and the neighbour that the kernel knows. The program's return value. What
 * came without an Ethernet header is given room for one: bpf_redirect_neigh() drops it otherwise.
 */
static __always_inline int send_to(struct __sk_buff *skb, u32 ifindex, u32 l3, struct plan *plan)
{
	if (!l3 && bpf_skb_change_head(skb, ETHERNET, 0)) {
		plan_because(plan, REASON_internal);
		return TC_ACT_SHOT;
	}
	return (int)bpf_redirect_neigh(ifindex, 0, 0, 0);
}
