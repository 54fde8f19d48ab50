/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fragment.h - later fragments, which carry no ports: the first one of the datagram told them.
 *
 * A small table of its own, so that a flood of strays costs sessions nothing. Fragments that overtake their first
 * one are dropped with a reason. Those of protocols without ports need none; of them the first that comes, whichever it is, decides
 * under which identification all leave.
 *
 * ORDER. Before all that, where packets come in: the fragment of a datagram that is seen first decides. It is the first one: the
 * datagram comes in order, and goes on as said above. It is a later one: all of the datagram, its first one too, are diverted to
 * where the kernel puts them in order (config.defrag), come back, and then go on as said above. So that a flood of strays fills
 * only its own half of the table, and does no harm when it has filled it:
 *
 *	no room for the decision	in order: what overtook its first one is dropped, as without all this
 *	no decision, but the first	in order: there was no room for the decision of a first one, which
 *	fragment's ports are known	went its way
 *
 * A decision is not prolonged: when it ends, what was diverted has come back or been given up, for the kernel keeps it no longer.
 */
#pragma once
#include "core/classify.h"
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
		u8 told;
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
	value.told = FRAGMENT_PORTS;
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

/* The value of a key, one word; 0: none. */
SLOW u64 fragment_look(struct nat_instance *nat, u64 key0, u64 key1, u32 now)
{
	const struct config *c = env_config(nat);
	u64 key[2] = { key0, key1 }, w;
	u32 number;

	SLOW_ENTER(nat);
	if (!c)
		return 0;
	struct slot *s =
		table_find(nat, c, TABLE_FRAGMENTS, table_hash(c, TABLE_FRAGMENTS, key), key, &w, &number);
	if (!s)
		return 0;
	u64 value = LOAD(&s->data[2]);
	return slot_dead(c, TABLE_FRAGMENTS, s, w, now) || !slot_same(s, w) ? 0 : value;
}

/* Fill in the ports of a later fragment: work->packet becomes PACKET_PORTS, and later. 1: they are known. */
SLOW u32 fragment_find(struct nat_instance *nat, struct work *work, u32 direction)
{
	union fragment_value value;
	union fragment_key key;

	SLOW_ENTER(nat);
	if (!work)
		return 0;
	struct packet *p = &work->packet;
	fragment_key(&key, p, (u8)direction);
	value.word = fragment_look(nat, key.word[0], key.word[1], work->meeting.now);
	if (!value.word)
		return 0;
	p->new_id = value.new_id;
	p->ip.sport = value.sport;
	p->ip.dport = value.dport;
	p->kind = PACKET_PORTS;
	p->later = 1;
	return 1;
}

/*
 * ORDER
 */

static __always_inline int fragment_is(const u8 *ip)
{
	return (get16(ip, IPV4_FRAGMENT) & host_to_be16(IPV4_MORE_FRAGMENTS | IPV4_OFFSET_MASK)) != 0;
}

/*
 * Those whose order can matter, and which come back as they went: through one more hop, without options that a hop would write
 * into. Of what comes in from outside, what is for us.
 */
static __always_inline int order_matters(struct nat_instance *nat, const struct config *c, const u8 *ip,
					 u8 direction)
{
	__be32 to = get32(ip, IPV4_TARGET);

	if (ip[0] != 0x45 || ip[IPV4_TTL] <= 1 || address_is_multicast(to))
		return 0;
	return direction != DIRECTION_IN || address_is_ours(nat, c, to);
}

/* Decide, unless another fragment has. 1: the datagram is diverted. */
static __always_inline u32 order_decide(struct nat_instance *nat, const struct config *c, struct insert *ins,
					const union fragment_key *key, u32 later)
{
	union fragment_value value = { .word = 0 };

	value.told = later ? FRAGMENT_DIVERTED : FRAGMENT_IN_ORDER;
	ins->words[0] = word_make(ins->now, generation_now(c, TABLE_FRAGMENTS, 0), 0);
	ins->words[1] = key->word[0];
	ins->words[2] = key->word[1];
	ins->words[3] = value.word;
	ins->hash = table_hash(c, TABLE_FRAGMENTS, key->word);
	u32 result = fragments_insert(nat, ins);
	if (result == INSERT_NEW)
		return later;
	struct slot *s = result == INSERT_FOUND ? env_slot(nat, TABLE_FRAGMENTS, ins->slot) : 0;
	if (!s)
		return 0;
	value.word = LOAD(&s->data[2]);
	return value.told == FRAGMENT_DIVERTED && slot_same(s, ins->found);
}

/* A fragment came in, its IP header is at ip. 1: it is to be diverted. */
static __always_inline u32 fragment_order(struct nat_instance *nat, const struct config *c, struct work *work,
					  const u8 *ip, u8 direction)
{
	u32 later = (get16(ip, IPV4_FRAGMENT) & host_to_be16(IPV4_OFFSET_MASK)) != 0;
	union fragment_value value;
	union fragment_key key;

	if (!order_matters(nat, c, ip, direction))
		return 0;
	key.word[1] = 0;
	key.saddr = get32(ip, IPV4_SOURCE);
	key.daddr = get32(ip, IPV4_TARGET);
	key.id = get16(ip, IPV4_ID);
	key.protocol = ip[IPV4_PROTOCOL];
	key.direction = direction | FRAGMENT_ORDER;
	work->ins.now = env_now(nat);
	if (later) {
		value.word = fragment_look(nat, key.word[0], key.word[1], work->ins.now);
		if (value.word)
			return value.told == FRAGMENT_DIVERTED;
		key.direction = direction;
		if (fragment_look(nat, key.word[0], key.word[1], work->ins.now))
			return 0;
		key.direction = direction | FRAGMENT_ORDER;
	}
	return order_decide(nat, c, &work->ins, &key, later);
}
