/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * skb.h - how programs at TC look at their packet.
 */
#pragma once
#include <linux/bpf.h>
#include "bpf/frame.h"

static __always_inline void bytes_attach(struct __sk_buff *skb, struct bytes *b)
{
	b->data = (void *)(long)skb->data;
	b->end = (void *)(long)skb->data_end;
}

static __always_inline int is_ipv4(const struct __sk_buff *skb)
{
	return skb->protocol == (u32)host_to_be16(ETHERTYPE_IPV4) && !skb->vlan_present;
}
