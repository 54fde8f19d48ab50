/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ledger.h - what threads saw, noted for the time in which it holds: one word an entry, the time above LEDGER_BITS bits of what.
 *
 * A time is any number that grows; 0 is none. What holds at one time may be noted by many, and must be the same.
 */
#pragma once
#include "core/types.h"

enum { LEDGER_BITS = 16, LEDGER_WHAT = (1 << LEDGER_BITS) - 1 };

/* Note what (at most LEDGER_WHAT) holds at this time. 0: something else is noted for the same time. */
static inline int ledger_note(u64 *entry, u64 time, u32 what)
{
	u64 was = __atomic_load_n(entry, __ATOMIC_SEQ_CST);

	do {
		if (was && was >> LEDGER_BITS == time)
			return (was & LEDGER_WHAT) == what;
		if (was >> LEDGER_BITS > time)
			return 1; /* of a later time already */
	} while (!__atomic_compare_exchange_n(entry, &was, time << LEDGER_BITS | what, 0, __ATOMIC_SEQ_CST,
					      __ATOMIC_SEQ_CST));
	return 1;
}

/* What was noted last; 0: nothing. */
static inline u32 ledger_last(const u64 *entry)
{
	return (u32)(__atomic_load_n(entry, __ATOMIC_SEQ_CST) & LEDGER_WHAT);
}

/* What is noted for this time; 0: nothing. */
static inline u32 ledger_read(const u64 *entry, u64 time)
{
	u64 is = __atomic_load_n(entry, __ATOMIC_SEQ_CST);

	return is >> LEDGER_BITS == time ? (u32)(is & LEDGER_WHAT) : 0;
}
