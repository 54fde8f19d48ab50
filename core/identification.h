/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * identification.h - new IP identifications, for packets whose identification means something.
 */
#pragma once
#include "core/packet.h"
#include "core/plan.h"
#include "core/table.h"

/*
 * An identification that no other packet with this source, destination and protocol had lately, whichever host sends it
 * (RFC 6864 section 5.3.1, RFC 7857 section 10, RFC 3022 section 6.3): for packets that are fragments or may become some. Hosts
 * count each for itself, so that what they send cannot be unique behind one address; a counter of ours can. Many triples share
 * one, which only makes it go round sooner, after 65536 packets as a counter of 16 bits must. One atomic addition on a line
 * that such packets alone touch: a counter a CPU would need the CPU's number in the identification, and go round so much
 * sooner. Most packets are atomic (TCP, and UDP with path MTU discovery), and cost one look at a bit.
 * segments: into so many will offload cut it, and give each the next.
 */
static __always_inline void identify(struct nat_instance *nat, const struct tuple *t, struct target *n,
				     u32 segments)
{
	struct config *c = env_config(nat);

	if (!c)
		return;
	u64 h = hash_words(c, (u64)(u32)n->saddr << 32 | (u32)n->daddr, t->protocol);
	u64 next = FETCH_ADD(&c->identifications[h & (IDENTIFICATIONS - 1)], (u64)segments);
	n->id = host_to_be16((u16)(next + (h >> 32)));
	n->has_id = 1;
}
