/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * lose.c - losing things: what a crash or a race may leave behind.
 */
#include "core/session.h"
#include "tests/scenarios/world.h"

static int slot_lose(struct world *w, struct nat_instance *nat, enum table t, const u64 *key)
{
	u64 word;
	u32 number;
	struct slot *s =
		table_find(nat, nat->config, t, table_hash(nat->config, t, key), key, &word, &number);

	if (!s || !slot_end(s, word))
		return world_fail(w, "there is no such entry to lose");
	return 0;
}

/* flow out|in|permit udp|tcp|icmp|NUMBER A:P > B:Q */
static int lose_flow(struct world *w, struct words *words)
{
	u8 direction = words_take(words, "out")	 ? DIRECTION_OUT
		       : words_take(words, "in") ? DIRECTION_IN
						 : DIRECTION_PERMIT;
	union flow_key key = { .word = { 0, 0 } };
	enum class class;
	u16 sport, dport;

	if (direction == DIRECTION_PERMIT && !words_take(words, "permit"))
		return world_fail(w, "lose flow out|in|permit ...");
	const char *name = words_next(words);
	u32 protocol = 0;
	if ((class_parse(name, &class) ? number_parse(name, 255, &protocol) : 0) ||
	    endpoint_parse(words_next(words), &key.saddr, &sport) || !words_take(words, ">") ||
	    endpoint_parse(words_next(words), &key.daddr, &dport))
		return world_fail(w, "lose flow out|in|permit udp|tcp|icmp|NUMBER A:P > B:Q");
	key.sport = host_to_be16(sport);
	key.dport = host_to_be16(dport);
	key.protocol = protocol ? (u8)protocol : protocol_of_class(class);
	key.direction = direction;
	for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat))
		if (slot_lose(w, nat, TABLE_FLOWS, key.word))
			return -1;
	return 0;
}

/* inside|outside udp A:P [INTERFACE] */
static int lose_mapping(struct world *w, struct words *words, u32 half)
{
	struct endpoint e = { 0 };
	enum class class;
	u16 port;

	if (class_parse(words_next(words), &class) || endpoint_parse(words_next(words), &e.addr, &port))
		return world_fail(w, "lose inside|outside udp|tcp|icmp A:P [INTERFACE]");
	struct world_interface *at =
		words_peek(words) ? interface_named(w, words_next(words)) : interface_first(w, ROLE_OUTSIDE);
	if (!at)
		return -1;
	e.port = host_to_be16(port);
	u64 key = mapping_key(e, (u8) class, half, at->number);
	for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat))
		if (slot_lose(w, nat, TABLE_MAPPINGS, &key))
			return -1;
	return 0;
}

static int lose_host(struct world *w, struct words *words)
{
	union host_key key = { .word = 0 };

	if (address_parse(words_next(words), &key.inside))
		return world_fail(w, "lose host A [INTERFACE]");
	struct world_interface *at =
		words_peek(words) ? interface_named(w, words_next(words)) : interface_first(w, ROLE_OUTSIDE);
	if (!at)
		return -1;
	key.interface = (u8)at->number;
	for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat))
		if (slot_lose(w, nat, TABLE_HOSTS, &key.word))
			return -1;
	return 0;
}

/* The bit of an outside port, cleared or set: udp A:P */
static int bit_change(struct world *w, struct words *words, bool set)
{
	enum class class;
	__be32 addr;
	u16 port;

	if (class_parse(words_next(words), &class) || endpoint_parse(words_next(words), &addr, &port))
		return world_fail(w, "lose bit|take bit udp|tcp|icmp A:P");
	for (struct nat_instance *nat = nat_first(w); nat; nat = nat_next(w, nat)) {
		u32 area = port_area(address_find(nat, nat->config, addr).index, class);
		if (set)
			port_take(nat, area, port);
		else
			port_give(nat, area, port);
	}
	return 0;
}

int lose_run(struct world *w, struct words *words)
{
	if (words_take(words, "flow"))
		return lose_flow(w, words);
	if (words_take(words, "inside"))
		return lose_mapping(w, words, HALF_INSIDE);
	if (words_take(words, "outside"))
		return lose_mapping(w, words, HALF_OUTSIDE);
	if (words_take(words, "host"))
		return lose_host(w, words);
	if (words_take(words, "bit"))
		return bit_change(w, words, false);
	return world_fail(w, "lose flow|inside|outside|host|bit ...");
}

int take_run(struct world *w, struct words *words)
{
	return words_take(words, "bit") ? bit_change(w, words, true) : world_fail(w, "take bit udp A:P");
}
