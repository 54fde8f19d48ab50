/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * checksum.h - the Internet checksum, whole and incremental (RFC 1071, RFC 1624).
 *
 * Sums are taken over 16-bit words as they lie in memory: one's complement addition does not care about byte
 * order, as long as all words of a sum are of one kind (RFC 1071 section 2 B).
 */
#pragma once
#include "core/env.h"

/* Fold a sum of up to 2^16 words into 16 bits. */
static __always_inline u16 checksum_fold(u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (u16)sum;
}

/* What replacing one value by another adds to a sum: HC' = ~(~HC + ~m + m'), RFC 1624 equation 3. */
static __always_inline u64 checksum_diff16(u16 from, u16 to) { return (u64)(u16)~from + to; }
static __always_inline u64 checksum_diff32(u32 from, u32 to)
{
	return checksum_diff16((u16)(from >> 16), (u16)(to >> 16)) + checksum_diff16((u16)from, (u16)to);
}

/* A checksum field after the words it covers changed by diff. */
static __always_inline u16 checksum_apply(u16 check, u64 diff)
{
	return (u16)~checksum_fold((u64)(u16)~check + diff);
}
