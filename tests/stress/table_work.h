/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * table_work.h - what the table's stress does to one table, for threads and for a BPF program alike.
 *
 * Entries prove themselves: all words of a value but the first follow from the key and from a nonce in the first, so that a
 * value of two entries mixed, or of another key, is seen.
 */
#pragma once
#include "core/table.h"

enum { WORK_INTERFACES = 8, WORK_PRIVATE = MAX_OUTSIDE - 1 /* never reset */ };

/* What a worker saw. */
struct table_work {
	u64 made, found, full, busy; /* of inserts */
	u64 hits, retries, touched, revived, ended;
	u64 wrong;   /* a value that does not belong to its key: must stay 0 */
	u64 missing; /* a private key that nobody but its owner ends, not found: must stay 0 */
};

static __always_inline u64 work_mix(u64 x)
{
	x ^= x >> 31;
	x *= 0x7fb5d329728ea185ull;
	return x ^ x >> 27;
}

static __always_inline u32 work_interface(u64 key) { return (u32)key & (WORK_INTERFACES - 1); }

/* What insert is to put in: ins->words. idle_max is for the flow table; others do not look. */
static __always_inline void work_prepare(const struct config *c, enum table t, struct insert *ins, u64 key,
					 u32 nonce, u32 interface, u32 now)
{
	u32 keys = key_words(t), words = data_words(t);
	u32 idle_max = interface == WORK_PRIVATE ? 0xffff : 20;

	ins->words[0] = word_make(now, generation_now(c, t, interface), 0);
	ins->words[1] = key;
	ins->words[2] = key ^ 0x5555;
	ins->words[keys + 1] = (u64)nonce << 32 | (u64)idle_max << 16 | interface;
	for (u32 i = keys + 2; i <= words && i < 8; i++)
		ins->words[i] = work_mix(key + ((u64)nonce << 8) + (u64)i * 1000003);
	ins->hash = table_hash(c, t, &ins->words[1]);
	ins->now = now;
}

/* Read the value of a slot that was found under *word. 1: it is the key's, 0: the slot changed hands. */
static __always_inline int work_read(enum table t, const struct slot *s, u64 word, u64 key, u32 interface,
				     struct table_work *work, u64 *head)
{
	u32 keys = key_words(t), words = data_words(t);
	u64 value[8];
	int bad;

	for (u32 i = keys; i < words && i < 8; i++)
		value[i] = LOAD(&s->data[i]);
	if (!slot_same(s, word)) {
		work->retries++;
		return 0;
	}
	bad = (value[keys] & 0xff) != interface;
	for (u32 i = keys + 1; i < words && i < 8; i++)
		bad |= value[i] != work_mix(key + (value[keys] >> 32 << 8) + (u64)(i + 1) * 1000003);
	work->wrong += (u64)bad;
	*head = value[keys];
	return 1;
}
