/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * packet_format.h - what the packet fuzzer reads, and its corpus is written in.
 */
#pragma once
#include "core/env.h"

/* The first byte: filtering (0..2), and */
enum {
	PACKET_SETTING_NETWORKS = 4,
	PACKET_SETTING_TWO_ADDRESSES = 8,
	PACKET_SETTING_FEW_PORTS = 16,
	PACKET_SETTING_PARITY = 32,
	PACKET_SETTING_MSS = 64, /* times 0 .. 3: what TCP may announce, see packet_mss() */
};

/* The first byte of a record: enum native_hook or an event; whether the packet has an Ethernet header, and is the router's
 * own; and 2^n - 1 seconds that pass before. */
enum {
	PACKET_EVENT = 3,
	PACKET_WHAT = 3,
	PACKET_ETHERNET = 4,
	PACKET_LOCAL = 8,
	PACKET_TIME_SHIFT = 4,
};

/* The low byte of an event's length says what. */
enum { PACKET_EVENT_SWEEP, PACKET_EVENT_RESET, PACKET_EVENT_ADDRESS, PACKET_EVENT_HAIRPIN };

/* The cast, in host byte order. */
enum {
	PACKET_OUTSIDE_IFINDEX = 3,
	PACKET_INSIDE_IFINDEX = 2,
};
#define PACKET_NETWORK 0xc0a80000u /* 192.168.0.0/16 */
#define PACKET_MASK 0xffff0000u
#define PACKET_HOST 0xc0a80001u	   /* 192.168.0.1 and on */
#define PACKET_OUTSIDE 0xc6336401u /* 198.51.100.1 and on */
#define PACKET_REMOTE 0xcb007101u  /* 203.0.113.1 and on */

static inline u16 packet_mss(u32 settings)
{
	static const u16 most[] = { 0, 1, 536, 1460 };

	return most[settings / PACKET_SETTING_MSS & 3];
}

static inline __be32 packet_outside(u32 i) { return host_to_be32(PACKET_OUTSIDE + i); }
