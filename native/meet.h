/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * meet.h - the way of one packet, natively: what the BPF programs do at a hook, over plain bytes.
 */
#pragma once
#include "core/types.h"
#include "native/env_native.h"

enum native_hook {
	NATIVE_OUT,	/* leaves by an outside interface */
	NATIVE_IN,	/* came in by an outside interface */
	NATIVE_HAIRPIN, /* came in by an inside interface */
	NATIVE_LEARN,	/* leaves by an inside interface; never changed */
	NATIVE_CLIENT,	/* the same where there is full NAT */
};

struct native_frame {
	u8 *data;	     /* rewritten in place; at an even address */
	u32 length;	     /* of the frame */
	u32 l3;		     /* bytes before the IP header: 14, or 0 on a device without an Ethernet header */
	u32 ifindex;	     /* the interface whose hook it is */
	u32 ingress_ifindex; /* but for NATIVE_IN, NATIVE_HAIRPIN: by which it came, 0: the router's own */
	u16 ethertype;	     /* without an Ethernet header: what the device says it is; 0: IPv4 */
	u32 room; /* bytes that data has: ICMP in answer may be longer than the packet. 0: none beyond it */
	u16 ordered; /* a fragment that comes back from where it was put in order */
};

/* What came of it. reason REASONS: the interface has no such role, or it goes to no server; nothing was counted. */
struct native_result {
	enum verdict verdict;
	u32 reason;
	u32 interface; /* whose counters */
	u32 length;    /* of the frame afterwards: an answer has its own */
	u8 hairpin;    /* translated, and on to an inside interface without the kernel's routing */
};

struct native_result native_meet(struct nat_instance *nat, enum native_hook hook,
				 const struct native_frame *frame);
