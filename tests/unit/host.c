// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* core/host.h: which outside address an inside host gets, and how long it keeps it. */
#include "tests/unit/core.h"

enum { POOL = ADDRESS_LIVE | ADDRESS_POOL | ADDRESS_LOCAL };

static u32 get(__be32 inside)
{
	ask(CLASS_UDP, inside, 5000);
	return host_get(&nat, work());
}

static __be32 address_of(__be32 inside)
{
	assert_int_equal(get(inside), 0);
	return request()->outside.addr;
}

static __be32 host(u32 i) { return htonl(0x0a000000 + i); }

static void spread_over_the_pool(void **state)
{
	u32 a = 0;

	(void)state;
	for (u32 i = 0; i < 100; i++) {
		__be32 addr = address_of(host(i));
		assert_true(addr == ADDRESS_A || addr == ADDRESS_B);
		a += addr == ADDRESS_A;
		assert_int_equal(request()->index, addr == ADDRESS_A ? 0 : 1);
	}
	assert_in_range(a, 25, 75);
	assert_int_equal(live(TABLE_HOSTS), 100);
}

static void kept_when_the_pool_changes(void **state)
{
	__be32 before[50];

	(void)state;
	for (u32 i = 0; i < 50; i++)
		before[i] = address_of(host(i));
	for (u32 i = 3; i < 8; i++)
		assert_true(native_address_set(&nat, 0, htonl(0xc6336400 + i), POOL) >= 0);
	for (u32 i = 0; i < 50; i++)
		assert_int_equal(address_of(host(i)), before[i]);
}

static void moved_only_when_the_address_left(void **state)
{
	(void)state;
	for (u32 i = 0; i < 50; i++)
		address_of(host(i));
	native_address_set(&nat, 0, ADDRESS_B, 0);
	nat_reset(1, 0, 0);
	for (u32 i = 0; i < 50; i++)
		assert_int_equal(address_of(host(i)), ADDRESS_A);
	native_address_set(&nat, 0, ADDRESS_B, POOL);
	for (u32 i = 0; i < 50; i++)
		assert_int_equal(address_of(host(i)), ADDRESS_A); /* kept: who has moved has moved */
}

/* An address that stays on the interface but leaves the pool is no hosts' any more. */
static void out_of_the_pool_is_out(void **state)
{
	(void)state;
	__be32 was = address_of(HOST_1);
	native_address_set(&nat, 0, was, ADDRESS_LIVE | ADDRESS_LOCAL);
	assert_int_not_equal(address_of(HOST_1), was);
}

static void none_to_give(void **state)
{
	(void)state;
	native_address_set(&nat, 0, ADDRESS_A, 0);
	native_address_set(&nat, 0, ADDRESS_B, 0);
	assert_int_equal(get(HOST_1), REASON_no_address);
	assert_int_equal(live(TABLE_HOSTS), 0);
	native_address_set(&nat, 0, ADDRESS_A, POOL);
	assert_int_equal(address_of(HOST_1), ADDRESS_A);
}

/* Buckets that still name an address that has left, as in the instant before they are filled anew: not for long. */
static void late_buckets(void **state)
{
	u64 bucket[POOL_BUCKETS];

	(void)state;
	memcpy(bucket, nat.pools, sizeof(bucket));
	__be32 was = address_of(HOST_1);
	native_address_set(&nat, 0, was, 0);
	memcpy(nat.pools, bucket, sizeof(bucket));
	(void)get(HOST_1);
	native_address_set(&nat, 0, was, 0);
	nat_reset(1, 0, 0);
	assert_int_not_equal(address_of(HOST_1), was);
}

/* An address that was away may have other port bitmaps when it is back: its hosts go by those that it has now. */
static void bitmaps_are_the_address_s(void **state)
{
	union {
		u64 word;
		struct outside_address address;
	} e;

	(void)state;
	__be32 was = address_of(HOST_1);
	for (u32 i = 0; i <= config()->address_mask; i++) {
		e.word = nat.addresses[i];
		e.address.index = 7;
		if (e.address.addr == was)
			nat.addresses[i] = e.word;
	}
	assert_int_equal(address_of(HOST_1), was);
	assert_int_equal(request()->index, 7);
}

static void the_router_keeps_its_own(void **state)
{
	(void)state;
	ask(CLASS_UDP, ADDRESS_B, 5000)->own = 1;
	assert_int_equal(host_get(&nat, work()), 0);
	assert_int_equal(request()->outside.addr, ADDRESS_B);
	ask(CLASS_UDP, REMOTE_1, 5000)->own = 1;
	assert_int_equal(host_get(&nat, work()), REASON_no_address);
}

static void a_reset_of_hosts(void **state)
{
	(void)state;
	address_of(HOST_1);
	nat_reset(1, 1, 0);
	address_of(HOST_1);
	struct slot *s = env_slot(&nat, TABLE_HOSTS, request()->host);
	assert_int_equal(word_gen(s->word), 0); /* the same entry */
	nat_reset(1, 1, 1);
	address_of(HOST_1);
	s = env_slot(&nat, TABLE_HOSTS, request()->host);
	assert_int_equal(word_gen(s->word), 1);
	assert_int_equal(live(TABLE_HOSTS), 1);
}

static void full(void **state)
{
	u32 refused = 0;

	(void)state;
	for (u32 i = 0; i < 400; i++) {
		u32 reason = get(host(i));
		assert_true(!reason || reason == REASON_hosts_full);
		refused += reason != 0;
	}
	assert_true(refused >= 400 - 256);
	assert_int_equal(live(TABLE_HOSTS), 400 - refused);
	assert_int_equal(get(host(0)), 0); /* who is in stays in */
}

static struct slot *slot_of(__be32 inside)
{
	u64 key = host_key(inside, 0), word;
	u32 number;

	return table_find(&nat, config(), TABLE_HOSTS, table_hash(config(), TABLE_HOSTS, &key), &key, &word,
			  &number);
}

/* As the sweep leaves a host that has been idle since then. */
static void idle_since(__be32 inside, u32 when)
{
	struct slot *s = slot_of(inside);

	s->word = (s->word & ~(TIME | FLAGS)) | word_make(when, 0, HOST_IDLE);
}

static int setup_small(void **state)
{
	(void)state;
	nat_begin((struct native_sizes){ .hosts = 32 }, 2);
	for (u32 i = 0; i < 32; i++)
		assert_int_equal(get(host(i)), 0);
	assert_int_equal(get(host(32)), REASON_hosts_full);
	return 0;
}

/* In a full table each new host takes the place of the longest idle one, and of none that is in use. */
static void the_longest_idle_gives_way(void **state)
{
	static const u32 order[] = { 20, 3, 9, 31 };

	(void)state;
	nat.now = START + 1000;
	for (u32 i = 0; i < 4; i++)
		idle_since(host(order[i]), START + i);
	for (u32 i = 0; i < 4; i++) {
		assert_non_null(slot_of(host(order[i])));
		assert_int_equal(get(host(100 + i)), 0);
		assert_null(slot_of(host(order[i])));
	}
	assert_int_equal(get(host(104)), REASON_hosts_full);
	assert_int_equal(live(TABLE_HOSTS), 32);
}

static void who_is_back_is_not_idle(void **state)
{
	(void)state;
	nat.now = START + 1000;
	idle_since(host(5), START);
	__be32 was = ((struct host *)slot_of(host(5)))->outside;
	assert_int_equal(address_of(host(5)), was);
	assert_int_equal(word_flags(slot_of(host(5))->word), 0);
	assert_int_equal(get(host(100)), REASON_hosts_full);
}

/* It was back just before it would have been ended. */
static void idle_no_more(void **state)
{
	(void)state;
	idle_since(host(5), START);
	struct work *mine = nat.work, other = { 0 };
	ask(CLASS_UDP, host(100), 5000);
	u64 key = host_key(host(100), 0);
	work()->ins.hash = table_hash(config(), TABLE_HOSTS, &key);
	struct host_search search = { .nat = &nat, .work = work() };
	for (u32 i = 0; i < WINDOW; i++)
		assert_int_equal(host_idle_step(i, &search), 0);
	u64 judged = request()->idle_word;
	assert_int_equal(judged, slot_of(host(5))->word);
	nat.work = &other;
	assert_int_equal(get(host(5)), 0);
	nat.work = mine;
	assert_int_equal(slot_end(env_slot(&nat, TABLE_HOSTS, request()->idle_slot), judged), 0);
	assert_non_null(slot_of(host(5)));
}

/* One more packet of the host, on another CPU, was first and chose otherwise: its choice stands. */
static void the_first_choice_stands(void **state)
{
	(void)state;
	__be32 was = address_of(HOST_1), other = was == ADDRESS_A ? ADDRESS_B : ADDRESS_A;
	union {
		u64 word;
		struct outside_address address;
	} named = { .address = address_find(&nat, config(), other) };
	for (u32 i = 0; i < POOL_BUCKETS; i++)
		nat.pools[i] = named.word;
	assert_int_equal(address_of(HOST_1), was);
}

static void addresses_are_found(void **state)
{
	(void)state;
	assert_int_equal(address_find(&nat, config(), ADDRESS_A).flags, POOL);
	assert_int_equal(address_find(&nat, config(), REMOTE_1).flags, 0);
	assert_int_equal(address_find(&nat, config(), 0).flags, 0);
	assert_true(address_serves(address_find(&nat, config(), ADDRESS_A), 0, 0));
	assert_false(address_serves(address_find(&nat, config(), ADDRESS_A), 1, 0));
	native_address_set(&nat, 0, ADDRESS_A, ADDRESS_LIVE | ADDRESS_LOCAL);
	assert_false(address_serves(address_find(&nat, config(), ADDRESS_A), 0, 0));
	assert_true(address_serves(address_find(&nat, config(), ADDRESS_A), 0, 1));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, nat_setup_two, nat_end)
#define SMALL(name) cmocka_unit_test_setup_teardown(name, setup_small, nat_end)
	const struct CMUnitTest tests[] = {
		CASE(spread_over_the_pool),
		CASE(kept_when_the_pool_changes),
		CASE(moved_only_when_the_address_left),
		CASE(out_of_the_pool_is_out),
		CASE(none_to_give),
		CASE(late_buckets),
		CASE(bitmaps_are_the_address_s),
		CASE(the_router_keeps_its_own),
		CASE(a_reset_of_hosts),
		CASE(full),
		SMALL(the_longest_idle_gives_way),
		SMALL(who_is_back_is_not_idle),
		SMALL(idle_no_more),
		CASE(the_first_choice_stands),
		CASE(addresses_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
