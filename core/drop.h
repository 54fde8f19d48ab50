/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * drop.h - the headers of the last packets that ended badly: for each reason DROP_PLACES of them, for people to look at.
 *
 * Of a flood only some are kept, DROPS_A_TICK of each reason in a tick and on a CPU: the others pay for one load. Each CPU has places
 * of its own, so each has one writer. Who reads meanwhile, the daemon, looks at the word before and after:
 *
 *	odd, or changed: it is being written. 0: nothing yet. Else twice the number that the packet has here, from 1 on.
 */
#pragma once
#include "core/plan.h"

/* A place for a packet that ended for this reason, begun; NULL: enough were kept in this tick. */
static __always_inline struct drop *drop_begin(struct nat_instance *nat, u32 reason, u32 now)
{
	struct drops_of *of = env_drops(nat, reason);

	if (!of)
		return 0;
	u64 kept = LOAD(&of->kept), so_far = kept >> 32 == now ? (u32)kept : 0;
	if (so_far >= DROPS_A_TICK)
		return 0;
	STORE(&of->kept, (u64)now << 32 | (so_far + 1));
	u64 number = LOAD(&of->number) + 1;
	STORE(&of->number, number);
	struct drop *at = &of->last[number & (DROP_PLACES - 1)];
	STORE(&at->word, 2 * number - 1);
	return at;
}

/* What there is to say of it but its bytes, of which `kept` will be there. */
static __always_inline void drop_describe(struct nat_instance *nat, struct drop *at, u32 interface,
					  u32 direction, u32 length, u32 kept)
{
	at->when = env_clock(nat);
	at->interface = (u8)interface;
	at->direction = (u8)direction;
	at->kept = (u16)kept;
	at->length = length;
}

/* The bytes are there, too. */
static __always_inline void drop_end(struct drop *at) { STORE(&at->word, LOAD(&at->word) + 1); }
