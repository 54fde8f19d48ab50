/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tcp.h - what TCP has shown, and how long a session may be idle for it (RFC 7857 section 2, RFC 6146 section 3.5.2). DCCP and
 * SCTP have the same states and timers (RFC 5597 REQ-5).
 *
 * Each direction keeps four flags in the word of its own flow, so that the two CPUs which carry the two directions
 * never write one line. The state is computed from both by whoever needs it: nobody stores it.
 *
 *   INIT         only one side has spoken                                   tcp_trans_open_timeout
 *   ESTABLISHED  both have (SYN both ways, or data where the opening was not seen; one FIN changes nothing)
 *                                                                           tcp_idle_timeout
 *   CLOSING      FIN from both sides, or a RST after which the other side kept silent
 *                                                                           tcp_trans_close_timeout
 */
#pragma once
#include "core/packet.h"
#include "core/table.h"

enum {
	FLAG_SYN = 1,
	FLAG_FIN = 2,
	FLAG_RST = 4,
	FLAG_DATA = 8, /* a segment that is neither SYN nor RST */
};

/* Classes with connections: TCP, and those whose packets say as much of theirs (dccp_flags(), sctp_flags()). */
static __always_inline int class_connects(u32 class)
{
	return (int)((1u << CLASS_TCP | 1u << CLASS_DCCP | 1u << CLASS_SCTP) >> (class & 31) & 1);
}

enum tcp_state { TCP_INIT, TCP_ESTABLISHED, TCP_CLOSING };

/* The flags of a direction after one more segment. Not for other protocols: theirs stay 0. */
static __always_inline u32 tcp_flags_after(u32 flags, u32 segment)
{
	if (segment & TCP_RST)
		return flags | FLAG_RST;
	if (segment & TCP_SYN) /* after FIN or RST a new connection reuses the ports */
		return flags & (FLAG_FIN | FLAG_RST) ? FLAG_SYN : flags | FLAG_SYN;
	flags = (flags & ~(u32)FLAG_RST) |
		FLAG_DATA; /* data after RST: it was not the end (RFC 7857 section 2.2) */
	return segment & TCP_FIN ? flags | FLAG_FIN : flags;
}

/* State of a session from the flags and idle times (ticks) of its two directions. */
static __always_inline enum tcp_state tcp_state(u32 out, u32 in, u32 out_age, u32 in_age)
{
	if ((out & FLAG_RST && (in & FLAG_RST || in_age >= out_age)) || (in & FLAG_RST && out_age >= in_age))
		return TCP_CLOSING;
	if (out & in & FLAG_FIN)
		return TCP_CLOSING;
	if (out & (FLAG_SYN | FLAG_DATA) && in & (FLAG_SYN | FLAG_DATA))
		return TCP_ESTABLISHED;
	return TCP_INIT;
}

/* Of a session, or of a mapping without one, of a class without connections or of a protocol without ports. */
static __always_inline u32 class_timeout(const struct config *c, u32 class)
{
	return class == CLASS_ICMP ? c->timers.icmp_timeout : c->timers.udp_timeout;
}

static __always_inline u32 tcp_timeout(const struct config *c, enum tcp_state state)
{
	switch (state) {
	case TCP_INIT:
		return c->timers.tcp_trans_open_timeout;
	case TCP_ESTABLISHED:
		return c->timers.tcp_idle_timeout;
	default:
		return c->timers.tcp_trans_close_timeout;
	}
}
