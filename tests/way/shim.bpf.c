/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * shim.bpf.c - brings test packets to devices without an Ethernet header, and back; and the end of a wire.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "tests/way/shim.h"

const volatile __u32 capture_ifindex = 0;

/* Run by PROG_TEST_RUN: the packet goes to device cb[0], flags cb[1]. Its Ethernet header is left behind there. */
SEC("tc") int send_packet(struct __sk_buff *skb)
{
	return (int)bpf_clone_redirect(skb, skb->cb[0], skb->cb[1]);
}

/* Behind the NAT's program at ingress: what it let pass goes where the test can read it. */
SEC("tc") int capture_packet(struct __sk_buff *skb)
{
	(void)skb;
	return (int)bpf_redirect(capture_ifindex, 0);
}

/* Before the NAT's programs on a wire: a frame that only says how far others have got is none of their business. */
SEC("tc") int pass_sentinel(struct __sk_buff *skb)
{
	return skb->protocol == bpf_htons(SENTINEL) ? TC_ACT_OK : TC_ACT_UNSPEC;
}

/* At the far end of a wire: what arrived was seen by who listens there, and ends here. */
SEC("tc") int stop_packet(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_SHOT;
}

/* There too, where frames come by XDP: a device takes redirected ones only if its peer has a program. */
SEC("xdp") int take_frame(struct xdp_md *xdp)
{
	(void)xdp;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
