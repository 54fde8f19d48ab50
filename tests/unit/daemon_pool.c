// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Outside addresses: the address table as core/host.h reads it, port bitmaps, buckets, generations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include <cmocka.h>

#include "core/host.h"
#include "core/ports.h"
#include "daemon/pool.h"

enum { ADDRESSES = 64, HALF_FULL = ADDRESSES / 2 };
enum { POOL = ADDRESS_LIVE | ADDRESS_POOL, OWN = ADDRESS_LIVE | ADDRESS_POOL | ADDRESS_LOCAL };

struct lab {
	struct nat_instance nat;
	struct pool *pool;
	struct pool_change change;
};

static int lab_open(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	struct config *c = calloc(1, sizeof(*c));

	lab->nat.config = c;
	c->addresses = ADDRESSES;
	c->address_mask = pool_places(ADDRESSES) - 1;
	for (int i = 0; i < 4; i++)
		c->seed[i] = 0x0123456789abcdefull * (u64)(2 * i + 3);
	lab->nat.addresses = calloc((size_t)c->address_mask + 1, sizeof(u64));
	lab->nat.pools = calloc((size_t)MAX_OUTSIDE * POOL_BUCKETS, sizeof(u64));
	lab->nat.ports = calloc((size_t)ADDRESSES * PORT_AREAS * PORT_AREA, sizeof(u64));
	lab->pool = pool_open(&lab->nat);
	*state = lab;
	return !lab->pool;
}

static int lab_close(void **state)
{
	struct lab *lab = *state;

	pool_close(lab->pool);
	free(lab->nat.ports);
	free(lab->nat.pools);
	free(lab->nat.addresses);
	free(lab->nat.config);
	free(lab);
	return 0;
}

static __be32 address(u32 n) { return htonl(0xc6336400u + n); } /* 198.51.100.0 + n */

static struct outside_address find(struct lab *lab, __be32 addr)
{
	return address_find(&lab->nat, lab->nat.config, addr);
}

/* count addresses from first on, on one interface. */
static void apply_range(struct lab *lab, u32 first, u32 count, u8 interface, u8 flags)
{
	struct pool_address *want = calloc(count + 1, sizeof(*want));

	for (u32 i = 0; i < count; i++)
		want[i] = (struct pool_address){ .addr = address(first + i),
						 .interface = interface,
						 .flags = flags };
	assert_int_equal(pool_apply(lab->pool, want, count, &lab->change), 0);
	free(want);
}

static struct outside_address bucket(const struct lab *lab, u32 interface, u32 i)
{
	union {
		u64 word;
		struct outside_address address;
	} e = { .word = lab->nat.pools[(size_t)interface * POOL_BUCKETS + i] };

	return e.address;
}

static u32 generation(const struct lab *lab, enum table t, u32 interface)
{
	return generation_now(lab->nat.config, t, interface);
}

static void addresses_are_found(void **state)
{
	struct lab *lab = *state;
	bool seen[ADDRESSES] = { false };

	apply_range(lab, 0, HALF_FULL, 3, POOL);
	assert_int_equal(lab->change.came, HALF_FULL);
	assert_int_equal(lab->change.left, 0);
	assert_int_equal(lab->change.refused, 0);
	for (u32 i = 0; i < HALF_FULL; i++) {
		struct outside_address a = find(lab, address(i));

		assert_int_equal(a.flags, POOL);
		assert_int_equal(a.interface, 3);
		assert_in_range(a.index, 0, ADDRESSES - 1);
		assert_false(seen[a.index]); /* no two share their port bitmaps */
		seen[a.index] = true;
	}
	assert_int_equal(find(lab, address(HALF_FULL)).flags, 0);
}

static void applying_again_changes_nothing(void **state)
{
	struct lab *lab = *state;
	size_t size = ((size_t)lab->nat.config->address_mask + 1) * sizeof(u64);
	u64 *copy = malloc(size);

	apply_range(lab, 0, 10, 0, OWN);
	memcpy(copy, lab->nat.addresses, size);
	u64 generations = lab->nat.config->generation[0];
	apply_range(lab, 0, 10, 0, OWN);
	assert_memory_equal(copy, lab->nat.addresses, size);
	assert_int_equal(lab->change.came + lab->change.left + lab->change.refused, 0);
	assert_int_equal(lab->nat.config->generation[0], generations);
	free(copy);
}

/* Also when another process applies them: the table itself is all that is remembered. */
static void an_address_that_returns_has_its_bitmaps_again(void **state)
{
	struct lab *lab = *state;

	apply_range(lab, 0, 8, 0, POOL);
	u16 index = find(lab, address(7)).index;
	u64 *word = &lab->nat.ports[port_area(index, CLASS_TCP) + 5];
	*word = 0xff;
	apply_range(lab, 0, 7, 0, POOL);
	assert_int_equal(lab->change.left, 1);
	assert_int_equal(find(lab, address(7)).flags, 0);
	pool_close(lab->pool);
	lab->pool = pool_open(&lab->nat);
	apply_range(lab, 20, 1, 0, POOL);
	apply_range(lab, 0, 8, 0, POOL);
	assert_int_equal(find(lab, address(7)).flags, POOL);
	assert_int_equal(find(lab, address(7)).index, index);
	assert_int_equal(*word, 0xff);
}

static bool left(const struct lab *lab, u32 index)
{
	return lab->nat.config->left[index / 64] >> (index & 63) & 1;
}

/* Nobody else's flows are touched; when it is back, those of before must not be. */
static void losing_an_address_ends_its_flows_only(void **state)
{
	struct lab *lab = *state;
	struct pool_address want[] = {
		{ .addr = address(1), .interface = 0, .flags = OWN },
		{ .addr = address(2), .interface = 1, .flags = OWN },
		{ .addr = address(3), .interface = 1, .flags = OWN },
	};

	assert_int_equal(pool_apply(lab->pool, want, 3, &lab->change), 0);
	u32 stays = find(lab, address(2)).index, goes = find(lab, address(3)).index;
	assert_false(left(lab, goes));
	assert_int_equal(pool_apply(lab->pool, want, 2, &lab->change), 0);
	assert_int_equal(lab->change.renewed, 0);
	assert_true(left(lab, goes));
	assert_false(left(lab, stays));
	assert_int_equal(lab->nat.config->generation[1], 0);
	assert_int_equal(pool_apply(lab->pool, want, 3, &lab->change), 0);
	assert_int_equal(lab->change.renewed, 1u << 1);
	assert_false(left(lab, goes));
	assert_int_equal(generation(lab, TABLE_FLOWS, 0), 0);
	assert_int_equal(generation(lab, TABLE_FLOWS, 1), 1);
	assert_int_equal(generation(lab, TABLE_MAPPINGS, 1), 0);
	assert_int_equal(generation(lab, TABLE_HOSTS, 1), 0);
}

static void moving_to_another_interface_is_leaving(void **state)
{
	struct lab *lab = *state;

	apply_range(lab, 0, 1, 0, OWN);
	apply_range(lab, 0, 1, 5, OWN);
	assert_int_equal(find(lab, address(0)).interface, 5);
	assert_false(left(lab, find(lab, address(0)).index));
	assert_int_equal(generation(lab, TABLE_FLOWS, 0), 1);
	assert_int_equal(bucket(lab, 0, 9).addr, 0);
	assert_int_equal(bucket(lab, 5, 9).addr, address(0));
}

/* From then on the host table must not find hosts there. */
static void leaving_the_pool_ends_flows(void **state)
{
	struct lab *lab = *state;

	apply_range(lab, 0, 2, 0, OWN);
	apply_range(lab, 0, 2, 0, ADDRESS_LIVE | ADDRESS_LOCAL);
	assert_int_equal(find(lab, address(0)).flags, ADDRESS_LIVE | ADDRESS_LOCAL);
	assert_int_not_equal(generation(lab, TABLE_FLOWS, 0), 0);
	assert_int_equal(bucket(lab, 0, 0).addr, 0);
}

/* A redial a minute for days: old addresses make room, oldest first, and nothing is refused. */
static void many_addresses_in_turn(void **state)
{
	struct lab *lab = *state;

	for (u32 i = 0; i < 20000; i++) {
		struct pool_address want[] = {
			{ .addr = address(0), .interface = 0, .flags = OWN }, /* stays all the while */
			{ .addr = htonl(0x0a000000u + i * 2654435761u % 0x500000),
			  .interface = 1,
			  .flags = OWN },
		};

		assert_int_equal(pool_apply(lab->pool, want, 2, &lab->change), 0);
		assert_int_equal(lab->change.refused, 0);
		struct outside_address a = find(lab, want[1].addr), stays = find(lab, address(0));
		assert_int_equal(a.flags, OWN);
		assert_int_equal(stays.flags, OWN);
		assert_int_not_equal(a.index, stays.index);
	}
	assert_int_equal(generation(lab, TABLE_FLOWS, 0), 0);
}

static void bitmaps_that_change_hands_are_empty(void **state)
{
	struct lab *lab = *state;

	for (u32 round = 0; round < 3; round++) {
		apply_range(lab, round * ADDRESSES, ADDRESSES, 0, POOL);
		assert_int_equal(lab->change.refused, 0);
		for (u32 i = 0; i < ADDRESSES; i++) {
			u32 area = port_area(find(lab, address(round * ADDRESSES + i)).index, CLASS_UDP);

			assert_int_equal(lab->nat.ports[area + 100], 0);
			lab->nat.ports[area + 100] = ~0ull;
			if (round) { /* who had them before has none */
				struct outside_address former =
					find(lab, address((round - 1) * ADDRESSES + i));
				assert_true(!former.addr || former.index >= ADDRESSES);
			}
		}
	}
}

static void more_than_there_are_bitmaps_is_refused(void **state)
{
	struct lab *lab = *state;
	u32 serving = 0;

	apply_range(lab, 0, ADDRESSES + 3, 0, POOL);
	assert_int_equal(lab->change.refused, 3);
	for (u32 i = 0; i < ADDRESSES + 3; i++)
		serving += find(lab, address(i)).flags == POOL;
	assert_int_equal(serving, ADDRESSES);
}

static void every_address_gets_its_share_of_the_buckets(void **state)
{
	static const u32 counts[] = { 1, 2, 3, 5, 7, 8, 13, 63 };
	struct lab *lab = *state;

	for (u32 n = 0; n < sizeof(counts) / sizeof(counts[0]); n++) {
		u32 held[ADDRESSES] = { 0 };

		apply_range(lab, 0, counts[n], 2, POOL);
		for (u32 i = 0; i < POOL_BUCKETS; i++) {
			struct outside_address a = bucket(lab, 2, i);

			assert_int_equal(a.index, find(lab, a.addr).index);
			held[ntohl(a.addr) & 0xff]++;
		}
		for (u32 i = 0; i < counts[n]; i++)
			assert_in_range(held[i], POOL_BUCKETS / counts[n], POOL_BUCKETS / counts[n] + 1);
	}
	apply_range(lab, 0, 0, 2, POOL);
	assert_int_equal(bucket(lab, 2, 0).addr, 0);
}

/* At best one address's share. */
static void a_change_moves_few_buckets(void **state)
{
	static const u32 counts[] = { 1, 2, 4, 8, 16, 60 };
	struct lab *lab = *state;
	u64 *copy = malloc(POOL_BUCKETS * sizeof(u64));

	for (u32 n = 0; n < sizeof(counts) / sizeof(counts[0]); n++) {
		u32 moved = 0, share = POOL_BUCKETS / (counts[n] + 1);

		apply_range(lab, 0, counts[n] + 1, 0, POOL);
		memcpy(copy, lab->nat.pools, POOL_BUCKETS * sizeof(u64));
		apply_range(lab, 0, counts[n], 0, POOL);
		for (u32 i = 0; i < POOL_BUCKETS; i++)
			moved += copy[i] != lab->nat.pools[i];
		assert_in_range(moved, share, 2 * share);
		apply_range(lab, 0, counts[n] + 1, 0, POOL); /* and it comes back to the same buckets */
		assert_memory_equal(copy, lab->nat.pools, POOL_BUCKETS * sizeof(u64));
	}
	free(copy);
}

/* Whatever the order in which the addresses were put there. */
static void buckets_depend_on_the_set_alone(void **state)
{
	struct lab *lab = *state;
	__be32 *copy = malloc(POOL_BUCKETS * sizeof(*copy));

	apply_range(lab, 0, 11, 0, POOL);
	for (u32 i = 0; i < POOL_BUCKETS; i++)
		copy[i] = bucket(lab, 0, i).addr;
	apply_range(lab, 5, 1, 0, POOL);
	apply_range(lab, 2, 9, 0, POOL);
	apply_range(lab, 0, 11, 0, POOL);
	for (u32 i = 0; i < POOL_BUCKETS; i++)
		assert_int_equal(copy[i], bucket(lab, 0, i).addr);
	free(copy);
}

/* The next daemon, over the same arrays. */
static void daemon_changes(struct lab *lab)
{
	pool_close(lab->pool);
	lab->pool = pool_open(&lab->nat);
	assert_non_null(lab->pool);
}

/* It died when the address served nobody any more, before that was said of its flows. */
static void what_a_dead_daemon_left_of_a_departure_is_finished(void **state)
{
	struct lab *lab = *state;
	u32 before, index;

	apply_range(lab, 0, 2, 0, POOL);
	index = find(lab, address(1)).index;
	apply_range(lab, 0, 1, 0, POOL);
	lab->nat.config->left[index / 64] = 0;
	daemon_changes(lab);
	apply_range(lab, 0, 1, 0, POOL);
	assert_true(lab->nat.config->left[index / 64] >> (index & 63) & 1);
	before = generation(lab, TABLE_FLOWS, 0);
	apply_range(lab, 0, 2, 0, POOL);
	assert_int_equal(generation(lab, TABLE_FLOWS, 0), before + 1);
}

/* It died between a change of the addresses and that of the buckets. */
static void buckets_that_a_dead_daemon_left_are_filled(void **state)
{
	struct lab *lab = *state;

	apply_range(lab, 0, 2, 0, POOL);
	memset(lab->nat.pools, 0, sizeof(u64) * POOL_BUCKETS);
	daemon_changes(lab);
	apply_range(lab, 0, 2, 0, POOL);
	for (u32 i = 0; i < POOL_BUCKETS; i++)
		assert_int_not_equal(bucket(lab, 0, i).addr, 0);
}

static void generations_do_not_carry(void **state)
{
	struct lab *lab = *state;
	u64 *word = &lab->nat.config->generation[4];

	*word = ~0ull >> 1; /* all three at their last */
	pool_generation_bump(&lab->nat, 4, 1u << TABLE_FLOWS);
	assert_int_equal(generation(lab, TABLE_FLOWS, 4), 0);
	assert_int_equal(generation(lab, TABLE_MAPPINGS, 4), GENERATION_MASK);
	assert_int_equal(generation(lab, TABLE_HOSTS, 4), GENERATION_MASK);
	pool_generation_bump(&lab->nat, 4, 1u << TABLE_MAPPINGS | 1u << TABLE_HOSTS);
	assert_int_equal(*word, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_open, lab_close)
		TEST(addresses_are_found),
		TEST(applying_again_changes_nothing),
		TEST(an_address_that_returns_has_its_bitmaps_again),
		TEST(losing_an_address_ends_its_flows_only),
		TEST(moving_to_another_interface_is_leaving),
		TEST(leaving_the_pool_ends_flows),
		TEST(many_addresses_in_turn),
		TEST(bitmaps_that_change_hands_are_empty),
		TEST(more_than_there_are_bitmaps_is_refused),
		TEST(every_address_gets_its_share_of_the_buckets),
		TEST(a_change_moves_few_buckets),
		TEST(buckets_depend_on_the_set_alone),
		TEST(what_a_dead_daemon_left_of_a_departure_is_finished),
		TEST(buckets_that_a_dead_daemon_left_are_filled),
		TEST(generations_do_not_carry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
