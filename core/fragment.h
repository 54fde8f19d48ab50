/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fragment.h - later fragments, which carry no ports: the first one of the datagram told them.
 *
 * A small table of its own, so that a flood of strays costs sessions nothing. Fragments that overtake their first
 * one are dropped with a reason. Those of protocols without ports need none; of them the first that comes, whichever it is, decides
 * under which identification all leave.
 */
#pragma once
#include "core/request.h"
#include "core/packet.h"

union fragment_key {
	u64 word[2];
	struct {
		__be32 saddr;
		__be32 daddr;
		__be16 id;
		u8 protocol;
		u8 direction;
		u32 zero;
	};
};

/* The value. */
union fragment_value {
	u64 word;
	struct {
		u8 interface;
		u8 zero;
		__be16 new_id;
		__be16 sport;
		__be16 dport;
	};
};

static __always_inline void fragment_key(union fragment_key *key, const struct packet *p, u8 direction)
{
	key->word[1] = 0;
	key->saddr = p->ip.saddr;
	key->daddr = p->ip.daddr;
	key->id = p->id;
	key->protocol = p->ip.protocol;
	key->direction = direction;
}

/*
 * A first fragment got its way: the later ones shall find its ports and its new identification. If it came twice, it leaves
 * with the same one twice. A full table loses the later ones, no more.
 */
static __always_inline void fragment_store(struct nat_instance *nat, const struct config *c,
					   struct work *work, u8 direction)
{
	struct insert *ins = &work->ins;
	union fragment_key key;
	union fragment_value value = { .word = 0 };

	fragment_key(&key, &work->packet, direction);
	value.interface = work->meeting.interface & (MAX_OUTSIDE - 1);
	value.new_id = work->plan.ip.id;
	value.sport = work->packet.ip.sport;
	value.dport = work->packet.ip.dport;
	ins->now = work->meeting.now;
	ins->words[0] = word_make(ins->now, generation_now(c, TABLE_FRAGMENTS, value.interface), 0);
	ins->words[1] = key.word[0];
	ins->words[2] = key.word[1];
	ins->words[3] = value.word;
	ins->hash = table_hash(c, TABLE_FRAGMENTS, key.word);
	if (fragments_insert(nat, ins) != INSERT_FOUND)
		return;
	struct slot *s = env_slot(nat, TABLE_FRAGMENTS, ins->slot);
	if (!s)
		return;
	union fragment_value known = { .word = LOAD(&s->data[2]) };
	value.new_id = known.new_id;
	if (known.word == value.word && slot_touch(s, ins->found, ins->now, word_gen(ins->found), 0)) {
		work->plan.ip.id = known.new_id;
		return;
	}
	if (slot_end(s, ins->found)) /* the identification came round */
		fragments_insert(nat, ins);
}

/* Fill in the ports of a later fragment: work->packet becomes PACKET_PORTS, and later. 1: found. */
static __always_inline int fragment_find(struct nat_instance *nat, const struct config *c, struct work *work,
					 u8 direction)
{
	struct packet *p = &work->packet;
	union fragment_key key;
	union fragment_value value;
	u64 w;
	u32 number;

	fragment_key(&key, p, direction);
	struct slot *s = table_find(nat, c, TABLE_FRAGMENTS, table_hash(c, TABLE_FRAGMENTS, key.word),
				    key.word, &w, &number);
	if (!s)
		return 0;
	value.word = LOAD(&s->data[2]);
	if (slot_dead(c, TABLE_FRAGMENTS, s, w, work->meeting.now) || !slot_same(s, w))
		return 0;
	p->new_id = value.new_id;
	p->ip.sport = value.sport;
	p->ip.dport = value.dport;
	p->kind = PACKET_PORTS;
	p->later = 1;
	return 1;
}
