// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * intact PINS - is the state of an instance in order? Looks at the arrays that are pinned in the folder PINS, while no packet
 * comes, and prints one line: what tests/state.h found wrong, or nothing, and how many ports are leaked: claimed by the bitmaps,
 * but nobody's; outside halves that no inside half agrees with; entries that were begun and not finished. Exit status 0: all is
 * in order. With "leak" behind it, it makes one: it claims a port that nobody has.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/pinned.h"
#include "tests/state.h"

struct leaks {
	u32 bits, halves, begun;
};

static bool arrays_open(struct nat_instance *nat, const char *pins)
{
	const struct config *c = nat->config = pinned_config(pins);

	if (!c)
		return false;
	nat->tables[TABLE_FLOWS] = pinned_array(pins, "flows", (c->flow_mask + 1ul) * sizeof(struct flow));
	nat->tables[TABLE_MAPPINGS] =
		pinned_array(pins, "mappings", (c->mapping_mask + 1ul) * sizeof(struct mapping));
	nat->tables[TABLE_HOSTS] = pinned_array(pins, "hosts", (c->host_mask + 1ul) * sizeof(struct host));
	nat->tables[TABLE_FRAGMENTS] =
		pinned_array(pins, "fragments", (c->fragment_mask + 1ul) * sizeof(struct fragment));
	nat->ports = pinned_array(pins, "ports", c->addresses * PORT_AREAS * PORT_AREA * sizeof(u64));
	nat->addresses = pinned_array(pins, "addresses", (c->address_mask + 1ul) * sizeof(u64));
	nat->pools = pinned_array(pins, "pools", sizeof(u64) * MAX_OUTSIDE * POOL_BUCKETS);
	return nat->tables[TABLE_FLOWS] && nat->tables[TABLE_MAPPINGS] && nat->tables[TABLE_HOSTS] &&
	       nat->tables[TABLE_FRAGMENTS] && nat->ports && nat->addresses && nat->pools;
}

/* Is this port of an address claimed by an outside half, on whatever interface? */
static bool port_has_half(struct nat_instance *nat, __be32 addr, u8 class, u32 port)
{
	for (u32 interface = 0; interface < MAX_OUTSIDE; interface++) {
		struct endpoint outside = { .addr = addr, .port = host_to_be16(port) };
		u64 key = mapping_key(outside, class, HALF_OUTSIDE, interface), w;
		u32 at;

		if (table_find(nat, nat->config, TABLE_MAPPINGS,
			       table_hash(nat->config, TABLE_MAPPINGS, &key), &key, &w, &at))
			return true;
	}
	return false;
}

static void bits_count(struct nat_instance *nat, struct leaks *leaks)
{
	for (u32 place = 0; place <= nat->config->address_mask; place++) {
		union {
			u64 word;
			struct outside_address address;
		} a = { .word = LOAD(&nat->addresses[place]) };

		if (!a.address.flags || a.address.index >= nat->config->addresses)
			continue;
		for (u8 class = 0; class < CLASSES; class ++)
			for (u32 port = 0; port < 65536; port++)
				leaks->bits +=
					*env_port_word(nat, port_area(a.address.index, class) + port / 64) >>
							(port & 63) &
						1 &&
					!port_has_half(nat, a.address.addr, class, port);
	}
}

static void halves_count(struct nat_instance *nat, struct leaks *leaks)
{
	for (u32 at = 0; at <= nat->config->mapping_mask; at++) {
		u64 w = LOAD(&env_slot(nat, TABLE_MAPPINGS, at)->word);
		struct insert o;

		if (word_state(w) != LIVE || !slot_read(nat, TABLE_MAPPINGS, at, w, &o) ||
		    !(o.mapping.half & HALF_OUTSIDE) || o.mapping.class >= CLASSES || word_flags(w) & RESTING)
			continue;
		leaks->halves += !half_agrees(nat, &o.mapping);
	}
}

static void begun_count(struct nat_instance *nat, struct leaks *leaks)
{
	for (int table = TABLE_FLOWS; table <= TABLE_FRAGMENTS; table++)
		for (u32 at = 0; at <= table_mask(nat->config, (enum table)table); at++) {
			u64 w = LOAD(&env_slot(nat, (enum table)table, at)->word);

			leaks->begun += word_state(w) != FREE && word_state(w) != LIVE;
		}
}

/* Port 1 of the first address: below all that are given. 0, or 1: there is no address. */
static int bit_leak(struct nat_instance *nat)
{
	for (u32 place = 0; place <= nat->config->address_mask; place++) {
		union {
			u64 word;
			struct outside_address address;
		} a = { .word = LOAD(&nat->addresses[place]) };

		if (!a.address.flags)
			continue;
		FETCH_OR(env_port_word(nat, port_area(a.address.index, CLASS_UDP)), 2);
		return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct state_fault fault = { .what = "in order" };
	struct nat_instance nat = { 0 };
	struct leaks leaks = { 0 };
	int wrong;

	if (argc != 2 && (argc != 3 || strcmp(argv[2], "leak"))) {
		fprintf(stderr, "usage: intact PINS [leak]\n");
		return 2;
	}
	if (!arrays_open(&nat, argv[1])) {
		fprintf(stderr, "intact: %s: %s\n", argv[1], strerror(errno));
		return 2;
	}
	if (argc == 3)
		return bit_leak(&nat);
	wrong = state_check(&nat, 0, &fault);
	bits_count(&nat, &leaks);
	halves_count(&nat, &leaks);
	begun_count(&nat, &leaks);
	printf("%s; %u ports leaked, %u halves stand alone, %u entries half-made\n", fault.what, leaks.bits,
	       leaks.halves, leaks.begun);
	return wrong || leaks.bits || leaks.halves || leaks.begun;
}
