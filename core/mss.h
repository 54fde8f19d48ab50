/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * mss.h - the largest segment that a TCP endpoint announces, lowered to what the outside interface carries (config.mss).
 *
 * Only packets with SYN have the option (RFC 9293 section 3.7.1), and they go the long way, so that known flows pay nothing. It is
 * never raised, and never put in where it is missing: who announces nothing is sent 536 bytes. What passes by an outside interface
 * is looked at, whichever way; a hairpinned packet passes by none. Options that do not add up are the receiver's business: the first
 * that does not ends the search.
 */
#pragma once
#include "core/rewrite.h"

enum { TCP_OPTIONS = 40, OPTION_END = 0, OPTION_PADDING = 1, OPTION_MSS = 2, OPTION_MSS_LENGTH = 4 };

/* Has this packet the option, if anything? */
static __always_inline int mss_concerns(const struct packet *p)
{
	return p->kind == PACKET_PORTS && p->ip.protocol == PROTOCOL_TCP && p->tcp_flags & TCP_SYN &&
	       !p->first && !p->later;
}

/* Bytes from the start of the frame to the end of the TCP header. 0: out of reach. */
static __always_inline u32 mss_end(const struct bytes *b, const struct packet *p)
{
	u8 *tcp = packet_bytes(b, p->ip.l4, TCP_MIN);

	return tcp ? p->ip.l4 + (u32)(tcp[TCP_OFFSET] >> 4) * 4 : 0;
}

/* Where the announced size lies, from the start of the frame; 0: nowhere. end: as mss_end(). */
static __always_inline u32 mss_find(const struct bytes *b, const struct packet *p, u32 end)
{
	u32 at = p->ip.l4 + TCP_MIN;

	for (u32 i = 0; i < TCP_OPTIONS; i++) {
		at = FORGET(at, end) & PACKET_REACH;
		u8 *option = packet_bytes(b, at, 1);

		if (at >= end || !option || *option == OPTION_END)
			return 0;
		if (*option == OPTION_PADDING) {
			at++;
			continue;
		}
		option = packet_bytes(b, at, 2);
		if (!option || option[1] < 2 || at + option[1] > end)
			return 0;
		if (option[0] == OPTION_MSS)
			return option[1] == OPTION_MSS_LENGTH ? at + 2 : 0;
		at += option[1];
	}
	return 0;
}

/* What the checksum has to make good after the size at offset `at` became another: words as they count, see checksum.h. */
struct mss_change {
	u16 was;
	u16 is;
};

/* A size that lies at an odd offset of the header counts with its bytes changed about (RFC 1071 section 2, byte order). */
static __always_inline u16 mss_word(u32 size, u32 odd)
{
	u16 word = (u16)host_to_be16(size);

	return odd ? __builtin_bswap16(word) : word;
}

/* Lower the size that lies at offset `at` to most. 1: it was larger, and *change tells. 0: it stays. */
static __always_inline int mss_lower(const struct bytes *b, const struct packet *p, u32 at, u32 most,
				     struct mss_change *change)
{
	u8 *size = packet_bytes(b, at, 2);

	if (!size)
		return 0;
	u32 was = (u32)size[0] << 8 | size[1], odd = (at - p->ip.l4) & 1;
	if (was <= most)
		return 0;
	size[0] = (u8)(most >> 8);
	size[1] = (u8)most;
	change->was = mss_word(was, odd);
	change->is = mss_word(most, odd);
	return 1;
}
