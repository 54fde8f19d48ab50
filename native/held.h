/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * held.h - what becomes of the SYNs that are held: the daemon's part of core/held.h.
 */
#pragma once
#include "core/answer.h"
#include "native/env_native.h"

enum held_end {
	HELD_WAITS,  /* or there is none */
	HELD_SILENT, /* it is let go, and nobody is told */
	HELD_TOLD,   /* and its sender is to be told */
};

/* ICMP port unreachable, about all of the packet that was kept (RFC 1812 section 4.3.2.3). */
struct held_answer {
	u32 ifindex; /* the device by which the SYN came */
	u32 length;  /* of the IP packet */
	u8 ip[ANSWER_ROOM + HELD_BYTES];
};

/* Let go what is held in this place, below HELD_SYNS, if its time is over at nat->now. Any thread. */
enum held_end held_end(struct nat_instance *nat, u32 number, struct held_answer *answer);

/* How many places are taken. */
u32 held_count(const struct nat_instance *nat);
